"""Vector loops that numba does not find by itself, written for LLVM; they run on any processor it knows.

Plain numba takes three to five times as long for these loops, which are most of all counting.
"""

import sys
from typing import Any

from llvmlite import ir  # type: ignore[import-untyped]
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic

from analysis.counting.edges import STEPS

STRIDE = (
    80  # bytes a pixel in the bin buffer: 4 wrapped, 64 images, 4 wrapped, 8 so that 16-byte reads end inside
)
PAD = 4
WINDOW = 16  # lanes: 0-8 images i-4 ... i+4 at the pair's threshold; 9, 10 image i at the two fixed tails

IMAGES = 64  # of a block
GROUP = 16  # images whose bins are found together
COPIES = 4  # of a histogram: rows that repeat, as bin 0 does, do not wait for each other
LANES = 8  # 16-bit lanes: the fewest that are added together

_BYTES, _WORDS = ir.VectorType(ir.IntType(8), WINDOW), ir.VectorType(ir.IntType(32), WINDOW)
_INDEX = ir.IntType(32)
_CHOICE = ir.VectorType(ir.IntType(1), WINDOW)
_REALS, _WHOLE = ir.VectorType(ir.FloatType(), GROUP), ir.VectorType(ir.IntType(32), GROUP)
_FLAGS = ir.VectorType(ir.IntType(1), GROUP)
_PLACES = ir.VectorType(ir.PointerType(ir.IntType(32)), GROUP)
_PICK = [*range(9), *[PAD] * 7]


@intrinsic
def window_tally(context, bins, pixels, first, last, image, cut, tail, other, out, at):  # type: ignore[no-untyped-def]
    """Adds to out[at : at + 16], over pixels[first:last], whether each of the window's images is on.

    `bins` is the flat buffer uint8 (pixels * STRIDE), `pixels` uint16, `out` flat int32; the window starts at
    the byte `image` of a pixel's row. A bin is on at or over its cut.
    """
    byte, place = types.uint8, types.intp
    signature = types.void(bins, pixels, place, place, place, byte, byte, byte, out, place)
    return signature, _tally


def _tally(context: Any, builder: Any, signature: Any, args: Any) -> Any:
    bins, pixels, first, last, image, cut, tail, other, out, at = args
    data = [
        context.make_array(signature.args[k])(context, builder, value).data
        for k, value in ((0, bins), (1, pixels), (8, out))
    ]
    nine, first_tail = (ir.Constant(_CHOICE, [lane < many for lane in range(WINDOW)]) for many in (9, 10))
    at_tails = builder.select(first_tail, _bytes(builder, tail), _bytes(builder, other))
    cuts = builder.select(nine, _bytes(builder, cut), at_tails)
    total = cgutils.alloca_once(builder, _BYTES)  # a tile has under 256 pixels
    builder.store(ir.Constant(_BYTES, [0] * WINDOW), total)
    step = ir.Constant(first.type, 1)
    with cgutils.for_range_slice(builder, first, last, step, inc=True) as (k, _):
        pixel = builder.zext(builder.load(builder.gep(data[1], [k])), first.type)
        row = builder.add(builder.mul(pixel, ir.Constant(first.type, STRIDE)), image)
        read = builder.bitcast(builder.gep(data[0], [row]), _BYTES.as_pointer())
        window = builder.shuffle_vector(
            builder.load(read, align=1),
            ir.Constant(_BYTES, ir.Undefined),
            ir.Constant(ir.VectorType(_INDEX, WINDOW), _PICK),
        )
        on = builder.sext(builder.icmp_unsigned(">=", window, cuts), _BYTES)  # -1 where on
        builder.store(builder.sub(builder.load(total), on), total)
    place = builder.bitcast(builder.gep(data[2], [at]), _WORDS.as_pointer())
    sums = builder.add(builder.load(place, align=4), builder.zext(builder.load(total), _WORDS))
    builder.store(sums, place, align=4)
    return context.get_dummy_value()


def _bytes(builder: Any, value: Any) -> Any:
    """A vector of one byte."""
    nothing = ir.Constant(_BYTES, ir.Undefined)
    one = builder.insert_element(nothing, value, ir.Constant(_INDEX, 0))
    return builder.shuffle_vector(one, nothing, ir.Constant(ir.VectorType(_INDEX, WINDOW), [0] * WINDOW))


@intrinsic
def bins_of_images(context, cells, a, b, same, weight, low, scale, table, row, at):  # type: ignore[no-untyped-def]
    """Sets row[at : at + 64] to the bins of 64 images at a pixel, which lies between two cells.

    `cells` are flat float32, a and b the places of the two cells' first images, `same` whether they are one;
    `weight` is the second's. The step of the unit's table is 1 + floor((value - low) * scale), and 0 at or
    under its lowest edge; NaN is there too. `table` (STEPS + 2 + 3,) uint8: it is read four bytes at a time.
    """
    real, place = types.float32, types.intp
    signature = types.void(cells, place, place, types.boolean, real, real, real, table, row, place)
    return signature, _bins


def _bins(context: Any, builder: Any, signature: Any, args: Any) -> Any:
    cells, a, b, same, weight, low, scale, table, row, at = args
    cells, table, row = (
        context.make_array(signature.args[k])(context, builder, value).data
        for k, value in ((0, cells), (7, table), (8, row))
    )
    other = builder.fsub(ir.Constant(ir.FloatType(), 1.0), weight)
    w, rest, lowest, times = (_spread(builder, value) for value in (weight, other, low, scale))
    alone = _spread(builder, builder.trunc(same, ir.IntType(1)) if same.type.width != 1 else same)
    nothing, most = ir.Constant(_REALS, [0.0] * GROUP), ir.Constant(_REALS, [float(STEPS)] * GROUP)
    base = _spread(builder, builder.ptrtoint(table, ir.IntType(64)))
    read = cgutils.get_or_insert_function(
        builder.module,
        ir.FunctionType(_WHOLE, [_PLACES, _INDEX, _FLAGS, _WHOLE]),
        f"llvm.masked.gather.v{GROUP}i32.v{GROUP}p0i32",
    )
    for group in range(0, IMAGES, GROUP):
        first, second = (
            builder.load(
                builder.bitcast(
                    builder.gep(cells, [builder.add(x, ir.Constant(x.type, group))]), _REALS.as_pointer()
                ),
                align=4,
            )
            for x in (a, b)
        )
        # (1 - w) a + w b and not a + w (b - a), as in torch: the last bits decide which bin a value falls in.
        between = builder.fadd(builder.fmul(rest, first), builder.fmul(w, second))
        value = builder.select(alone, first, between)
        z = builder.fmul(builder.fsub(value, lowest), times)
        z = builder.select(builder.fcmp_ordered(">", z, nothing), z, nothing)  # NaN too
        z = builder.select(builder.fcmp_ordered("<", z, most), z, most)
        over = builder.zext(builder.fcmp_ordered(">", value, lowest), _WHOLE)
        step = builder.zext(
            builder.add(builder.fptosi(z, _WHOLE), over), ir.VectorType(ir.IntType(64), GROUP)
        )
        places = builder.inttoptr(builder.add(base, step), _PLACES)
        every, none = ir.Constant(_FLAGS, [1] * GROUP), ir.Constant(_WHOLE, [0] * GROUP)
        found = builder.call(read, [places, ir.Constant(_INDEX, 1), every, none])
        to = builder.gep(row, [builder.add(at, ir.Constant(at.type, group))])
        kept = builder.trunc(_little(builder, found), ir.VectorType(ir.IntType(8), GROUP))
        builder.store(kept, builder.bitcast(to, kept.type.as_pointer()), align=1)
    return context.get_dummy_value()


def _little(builder: Any, words: Any) -> Any:
    """The words with the byte that was read first in the lowest place."""
    if sys.byteorder == "little":
        return words
    return builder.lshr(words, ir.Constant(_WHOLE, [24] * GROUP))


def _spread(builder: Any, value: Any) -> Any:
    """A vector of one value."""
    kind = ir.VectorType(value.type, GROUP)
    nothing = ir.Constant(kind, ir.Undefined)
    one = builder.insert_element(nothing, value, ir.Constant(_INDEX, 0))
    return builder.shuffle_vector(one, nothing, ir.Constant(_WHOLE, [0] * GROUP))


@intrinsic
def add_pixel(context, held, size, bins, first, images, features, start, lanes, lane):  # type: ignore[no-untyped-def]
    """Adds some lanes of a pixel's images to the rows of their bins: 8, 16 or 32 from `lane` on.

    They are the most that `lanes` has from there on. bins[first + image] uint8; features flat uint16, with
    `lanes` of each image from `start` on. `held` flat uint16 has rows of `lanes`, in COPIES of `size`, which
    images use in turn.
    """
    place = types.intp
    return types.void(held, place, bins, place, place, features, place, place, place), _add


def _add(context: Any, builder: Any, signature: Any, args: Any) -> Any:
    held, size, bins, first, images, features, start, lanes, lane = args
    held, bins, features = (
        context.make_array(signature.args[k])(context, builder, value).data
        for k, value in ((0, held), (2, bins), (5, features))
    )

    def number(value: int) -> Any:
        return ir.Constant(size.type, value)

    def add(kind: Any, image: Any, copy: Any) -> None:
        found = builder.zext(builder.load(builder.gep(bins, [builder.add(first, image)])), size.type)
        at = builder.add(builder.add(copy, builder.mul(found, lanes)), lane)
        read = builder.add(builder.add(start, builder.mul(image, lanes)), lane)
        place, source = (
            builder.bitcast(builder.gep(base, [index]), kind.as_pointer())
            for base, index in ((held, at), (features, read))
        )
        sums = builder.add(builder.load(place, align=2), builder.load(source, align=2))
        builder.store(sums, place, align=2)

    rest, rounds = builder.sub(lanes, lane), builder.sdiv(images, number(COPIES))
    whole = builder.mul(rounds, number(COPIES))
    copies = [builder.mul(size, number(copy)) for copy in range(COPIES)]
    for width, least, most in ((8, 1, 16), (16, 16, 32), (32, 32, 2**30)):
        kind = ir.VectorType(ir.IntType(16), width)
        within = builder.icmp_signed(">=", rest, number(least))
        with builder.if_then(builder.and_(within, builder.icmp_signed("<", rest, number(most)))):
            with cgutils.for_range(builder, rounds) as loop:
                image = builder.mul(loop.index, number(COPIES))
                for number_of_copy, copy in enumerate(copies):
                    add(kind, builder.add(image, number(number_of_copy)), copy)
            with cgutils.for_range(builder, builder.sub(images, whole)) as loop:
                add(kind, builder.add(whole, loop.index), builder.mul(loop.index, size))
    return context.get_dummy_value()
