// Paints cells of a layer's grid on an image, with a mouse, a finger or the keyboard. A finished stroke goes to
// Python as a list of [row, column]; everything else (wipe, grid, brush) stays in the browser.
const states = new WeakMap();

function made(root) {
  const state = { cells: new Set(), cursor: null, painting: false, data: null, send: null };
  const picture = root.querySelector(".picture");
  const canvas = root.querySelector("canvas");
  const over = root.querySelector(".over");
  const wipe = root.querySelector(".wipe input");

  const stamp = ([row, column]) => {
    const { rows, columns, size } = state.data;
    const first = -Math.floor((size - 1) / 2);
    for (let down = first; down < first + size; down++)
      for (let across = first; across < first + size; across++) {
        const [r, c] = [row + down, column + across];
        if (r >= 0 && r < rows && c >= 0 && c < columns) state.cells.add(r * columns + c);
      }
  };
  const cellAt = (event) => {
    const box = picture.getBoundingClientRect();
    const { rows, columns } = state.data;
    const row = Math.floor(((event.clientY - box.top) / box.height) * rows);
    const column = Math.floor(((event.clientX - box.left) / box.width) * columns);
    return [Math.min(Math.max(row, 0), rows - 1), Math.min(Math.max(column, 0), columns - 1)];
  };
  const line = ([r0, c0], [r1, c1]) => {
    const steps = Math.max(Math.abs(r1 - r0), Math.abs(c1 - c0), 1);
    for (let i = 0; i <= steps; i++)
      stamp([Math.round(r0 + ((r1 - r0) * i) / steps), Math.round(c0 + ((c1 - c0) * i) / steps)]);
  };
  state.draw = () => {
    const { rows, columns, colour, size, last } = state.data;
    const [width, height] = [picture.clientWidth, picture.clientHeight].map((n) => Math.max(1, n));
    const scale = window.devicePixelRatio || 1;
    canvas.width = width * scale;
    canvas.height = height * scale;
    const pen = canvas.getContext("2d");
    pen.scale(scale, scale);
    const [w, h] = [width / columns, height / rows];
    pen.strokeStyle = colour;
    pen.lineWidth = 1;
    if (!state.cells.size)
      for (const [row, column] of last) pen.strokeRect(column * w + 0.5, row * h + 0.5, w - 1, h - 1);
    pen.fillStyle = colour;
    pen.globalAlpha = 0.45;
    for (const cell of state.cells)
      pen.fillRect((cell % columns) * w, Math.floor(cell / columns) * h, w, h);
    pen.globalAlpha = 1;
    if (state.cursor) {
      const first = -Math.floor((size - 1) / 2);
      const [row, column] = state.cursor;
      pen.lineWidth = 2;
      pen.strokeStyle = "#ffffff";
      pen.strokeRect((column + first) * w, (row + first) * h, w * size, h * size);
      pen.strokeStyle = "#000000";
      pen.setLineDash([4, 4]);
      pen.strokeRect((column + first) * w, (row + first) * h, w * size, h * size);
      pen.setLineDash([]);
    }
  };
  const finish = () => {
    if (!state.cells.size) return;
    const { columns } = state.data;
    const cells = [...state.cells].sort((a, b) => a - b).map((n) => [Math.floor(n / columns), n % columns]);
    state.send("stroke", { cells });
  };
  picture.addEventListener("pointerdown", (event) => {
    if (event.button) return;
    picture.setPointerCapture(event.pointerId);
    state.painting = true;
    state.cells.clear();
    stamp((state.cursor = cellAt(event)));
    state.draw();
  });
  picture.addEventListener("pointermove", (event) => {
    const cell = cellAt(event);
    if (state.painting) line(state.cursor, cell);
    state.cursor = cell;
    state.draw();
  });
  picture.addEventListener("pointerup", () => {
    if (state.painting) finish();
    state.painting = false;
  });
  picture.addEventListener("pointercancel", () => {
    state.painting = false;
    state.cells.clear();
    state.draw();
  });
  picture.addEventListener("pointerleave", () => {
    if (!state.painting && document.activeElement !== picture) state.cursor = null;
    state.draw();
  });
  const moves = { ArrowUp: [-1, 0], ArrowDown: [1, 0], ArrowLeft: [0, -1], ArrowRight: [0, 1] };
  picture.addEventListener("keydown", (event) => {
    const { rows, columns } = state.data;
    state.cursor = state.cursor || [Math.floor(rows / 2), Math.floor(columns / 2)];
    if (moves[event.key]) {
      const [row, column] = state.cursor.map((n, i) => n + moves[event.key][i]);
      state.cursor = [Math.min(Math.max(row, 0), rows - 1), Math.min(Math.max(column, 0), columns - 1)];
    } else if (event.key === " ") stamp(state.cursor);
    else if (event.key === "Enter") finish();
    else if (event.key === "Escape") state.cells.clear();
    else return;
    event.preventDefault();
    state.draw();
  });
  const clip = () => (over.style.clipPath = `inset(0 0 0 ${wipe.value}%)`);
  wipe.addEventListener("input", clip);
  new ResizeObserver(() => state.data && state.draw()).observe(picture);
  return state;
}

export default function (component) {
  const { parentElement, data, setTriggerValue } = component;
  if (!states.has(parentElement)) states.set(parentElement, made(parentElement));
  const state = states.get(parentElement);
  const fresh = !state.data || state.data.after !== data.after;
  state.data = data;
  state.send = setTriggerValue;
  if (fresh) state.cells.clear();
  const picture = parentElement.querySelector(".picture");
  picture.style.aspectRatio = `${data.width} / ${data.height}`;
  picture.classList.toggle("labels", data.labels);
  parentElement.querySelector(".under").src = data.before;
  parentElement.querySelector(".over").src = data.after;
  state.draw();
}
