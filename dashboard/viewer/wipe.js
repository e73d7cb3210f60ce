// Two pictures in one place: left of the edge the one before, right of it the one after. The edge follows the
// pointer or a finger; the arrow keys, Home and End move it too. Nothing goes to Python.
const states = new WeakMap();

function made(root) {
  const box = root.querySelector(".wipe");
  const state = { at: 50, box };
  state.draw = () => {
    root.querySelector(".before").style.clipPath = `inset(0 ${100 - state.at}% 0 0)`;
    root.querySelector(".edge").style.left = `${state.at}%`;
    box.setAttribute("aria-valuenow", String(Math.round(state.at)));
    box.setAttribute("aria-valuetext", `${Math.round(state.at)} % ${state.names?.[0] ?? ""}`);
  };
  const move = (at) => {
    state.at = Math.min(Math.max(at, 0), 100);
    state.draw();
  };
  const follow = (event) => {
    const { left, width } = box.getBoundingClientRect();
    move(((event.clientX - left) / width) * 100);
  };
  box.addEventListener("pointerdown", (event) => {
    if (event.button) return;
    box.setPointerCapture(event.pointerId);
    follow(event);
  });
  box.addEventListener("pointermove", (event) => {
    if (event.pointerType === "mouse" || box.hasPointerCapture(event.pointerId)) follow(event);
  });
  const keys = { ArrowLeft: -5, ArrowDown: -5, ArrowRight: 5, ArrowUp: 5, PageDown: -20, PageUp: 20, Home: -100, End: 100 };
  box.addEventListener("keydown", (event) => {
    if (!(event.key in keys) || event.ctrlKey || event.metaKey || event.altKey) return;
    event.preventDefault();
    event.stopPropagation(); // an arrow may also be a shortcut of the page
    move(state.at + keys[event.key]);
  });
  return state;
}

export default function (component) {
  const { parentElement, data } = component;
  if (!states.has(parentElement)) states.set(parentElement, made(parentElement));
  const state = states.get(parentElement);
  state.names = data.names;
  state.box.setAttribute("aria-label", data.alt);
  state.box.style.aspectRatio = `${data.width} / ${data.height}`;
  parentElement.querySelector(".before").src = data.before;
  parentElement.querySelector(".after").src = data.after;
  parentElement.querySelector(".left").textContent = data.names[0];
  parentElement.querySelector(".right").textContent = data.names[1];
  state.draw();
}
