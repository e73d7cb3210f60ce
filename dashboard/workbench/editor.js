// A text area with coloured text behind it, and completions below it. A statement that is run goes to Python as
// {text, part}. A text that was not run goes there when somebody leaves the editor, so that it can be saved, and
// so that it comes back when the page makes the editor anew.
const KEYWORDS = new Set((
  "select from where group by order having limit offset join left right full inner outer cross on using as and " +
  "or not in is null like ilike between case when then else end distinct union all intersect except with " +
  "recursive over partition rows range filter qualify asc desc nulls first last true false cast exists any " +
  "count sum avg min max round coalesce corr describe summarize explain show values pivot unpivot"
).split(" "));
const TOKEN = /(--[^\n]*|\/\*[\s\S]*?\*\/)|('(?:[^']|'')*'?)|("(?:[^"]|"")*"?)|((?<![\w:\])}'"]):[A-Za-z_]\w*)|(\b\d+(?:\.\d+)?\b)|([A-Za-z_]\w*)|([\s\S])/g;
const MOST = 8;
const states = new WeakMap();

function coloured(text, known, wrong) {
  const pre = document.createDocumentFragment();
  for (const found of text.matchAll(TOKEN)) {
    const [token, comment, string, quoted, parameter, number, word] = found;
    const name = comment ? "comment" : string ? "string" : parameter ? "parameter" : number ? "number"
      : word && KEYWORDS.has(word.toLowerCase()) ? "keyword" : (quoted || word) && known.has(token) ? "known" : "";
    const bad = wrong !== null && found.index <= wrong && wrong < found.index + token.length;
    if (!name && !bad) pre.append(token);
    else {
      const span = document.createElement("span");
      span.className = `${name}${bad ? " wrong" : ""}`;
      span.textContent = token;
      pre.append(span);
    }
  }
  pre.append("\n");
  return pre;
}

function made(root) {
  const area = root.querySelector("textarea");
  const pre = root.querySelector("pre");
  const list = root.querySelector(".words");
  const said = root.querySelector(".said");
  const state = { given: null, left: null, inserted: 0, formatted: 0, data: null, send: null, wrong: null, at: -1 };

  state.draw = () => {
    pre.replaceChildren(coloured(area.value, state.known, state.wrong));
    area.style.height = "auto";
    area.style.height = `${area.scrollHeight}px`;
  };
  const word = () => /[A-Za-z_]\w*$/.exec(area.value.slice(0, area.selectionStart))?.[0] || "";
  const close = () => {
    list.hidden = true;
    list.replaceChildren();
    state.at = -1;
  };
  const put = (text, before = 0) => {
    const from = area.selectionStart - before;
    area.setRangeText(text, from, area.selectionEnd, "end");
    state.wrong = null;
    close();
    state.draw();
  };
  state.insert = (text) => {
    const before = area.value[area.selectionStart - 1];
    put(before && /[\w,]/.test(before) ? ` ${text}` : text);
  };
  const mark = (at) => {
    state.at = at;
    [...list.children].forEach((option, n) => option.setAttribute("aria-selected", String(n === at)));
    list.children[at]?.scrollIntoView({ block: "nearest", inline: "nearest" });
  };
  const offer = () => {
    const begun = word().toLowerCase();
    close();
    if (begun.length < 2) return;
    const found = state.data.words.filter((each) => each.toLowerCase().startsWith(begun) && each.toLowerCase() !== begun);
    for (const each of found.slice(0, MOST)) {
      const option = document.createElement("div");
      option.setAttribute("role", "option");
      option.setAttribute("aria-selected", "false");
      option.textContent = each;
      option.addEventListener("mousedown", (event) => {
        event.preventDefault();
        put(each, word().length);
      });
      list.append(option);
    }
    list.hidden = !list.children.length;
  };
  const format = () => {
    close();
    said.textContent = "";
    if (area.value.trim()) state.send("format", area.value);
  };
  // The answer to `format`. A text that somebody has changed meanwhile stays.
  state.replace = ({ written, text, sentence }) => {
    if (area.value !== written) return;
    said.textContent = sentence;
    if (!text || text === written) return;
    area.focus();
    area.select();
    if (!document.execCommand("insertText", false, text)) area.value = text; // the first can be undone
    close();
    state.wrong = null;
    state.draw();
  };
  const run = () => {
    close();
    const { value, selectionStart: from, selectionEnd: to } = area;
    state.given = state.left = value;
    state.send("ran", { text: value, part: value.slice(from, to).trim() });
  };
  area.addEventListener("input", () => {
    state.wrong = null;
    said.textContent = "";
    state.draw();
    offer();
  });
  area.addEventListener("blur", (event) => {
    close();
    if (area.value === state.left || root.contains(event.relatedTarget)) return; // Run and Format send it too
    state.left = area.value;
    state.send("left", area.value);
  });
  area.addEventListener("keydown", (event) => {
    const options = list.children.length;
    if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) run();
    else if (event.code === "KeyF" && event.shiftKey && event.altKey) format();
    else if (!options) return;
    else if (event.key === "ArrowDown" || event.key === "ArrowUp")
      mark((state.at + (event.key === "ArrowDown" ? 1 : options - 1 + (state.at < 0))) % options);
    else if (event.key === "Tab" && !event.shiftKey) put(list.children[Math.max(state.at, 0)].textContent, word().length);
    else if (event.key === "Enter" && state.at >= 0) put(list.children[state.at].textContent, word().length);
    else if (event.key === "Escape") close();
    else return;
    event.preventDefault();
    event.stopPropagation();
  });
  root.querySelector(".run").addEventListener("click", run);
  root.querySelector(".format").addEventListener("click", format);
  new ResizeObserver(() => state.data && state.draw()).observe(root.querySelector(".text"));
  return state;
}

export default function (component) {
  const { parentElement, data, setTriggerValue } = component;
  if (!states.has(parentElement)) states.set(parentElement, made(parentElement));
  const state = states.get(parentElement);
  state.data = data;
  state.send = setTriggerValue;
  state.known = new Set(data.words);
  state.wrong = data.wrong;
  parentElement.querySelector(".editor").classList.toggle("dark", data.dark);
  const area = parentElement.querySelector("textarea");
  if (state.given !== data.text) {
    state.given = data.text;
    area.value = state.left = data.written;
  }
  area.readOnly = false; // what is written before the script is there would be lost
  if (data.insert && data.insert[1] > state.inserted) {
    state.inserted = data.insert[1];
    state.insert(data.insert[0]);
  }
  if (data.formatted && data.formatted.number > state.formatted) {
    state.formatted = data.formatted.number;
    state.replace(data.formatted);
  }
  state.draw();
}
