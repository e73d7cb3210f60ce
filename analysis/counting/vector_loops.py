"""Two vector loops that numba does not find by itself, written for LLVM; they run on any processor it knows.

Plain numba takes three and a half times as long for these loops, which are half of all counting.
"""

from typing import Any

from llvmlite import ir  # type: ignore[import-untyped]
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic

STRIDE = (
    80  # bytes a pixel in the bin buffer: 4 wrapped, 64 images, 4 wrapped, 8 so that 16-byte reads end inside
)
PAD = 4
WINDOW = 16  # lanes: 0-8 images i-4 ... i+4 at the pair's threshold; 9, 10 image i at the two fixed tails

LANES = 8  # 16-bit lanes added by one instruction

_EIGHT = ir.VectorType(ir.IntType(16), LANES)
_BYTES, _WORDS = ir.VectorType(ir.IntType(8), WINDOW), ir.VectorType(ir.IntType(32), WINDOW)
_INDEX = ir.IntType(32)
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
    cuts = ir.Constant(_BYTES, ir.Undefined)
    for lane in range(WINDOW):
        value = cut if lane < 9 else tail if lane == 9 else other
        cuts = builder.insert_element(cuts, value, ir.Constant(_INDEX, lane))
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


@intrinsic
def add_lanes(context, held, at, features, start, lanes):  # type: ignore[no-untyped-def]
    """held[at : at + lanes] += features[start : start + lanes], flat uint16 arrays; lanes a multiple of 8."""
    return types.void(held, types.intp, features, types.intp, types.intp), _add


def _add(context: Any, builder: Any, signature: Any, args: Any) -> Any:
    held, at, features, start, lanes = args
    to = context.make_array(signature.args[0])(context, builder, held).data
    source = context.make_array(signature.args[2])(context, builder, features).data

    def add(k: Any) -> None:
        place = builder.bitcast(builder.gep(to, [builder.add(at, k)]), _EIGHT.as_pointer())
        read = builder.bitcast(builder.gep(source, [builder.add(start, k)]), _EIGHT.as_pointer())
        sums = builder.add(builder.load(place, align=2), builder.load(read, align=2))
        builder.store(sums, place, align=2)

    def number(value: int) -> Any:
        return ir.Constant(at.type, value)

    for few in range(0, 4 * LANES, LANES):  # branches that always go the same way cost less than a loop
        with builder.if_then(builder.icmp_signed(">", lanes, number(few))):
            add(number(few))
    rest = cgutils.for_range_slice(builder, number(4 * LANES), lanes, number(LANES), inc=True)
    with builder.if_then(builder.icmp_signed(">", lanes, number(4 * LANES))), rest as (k, _):
        add(k)
    return context.get_dummy_value()
