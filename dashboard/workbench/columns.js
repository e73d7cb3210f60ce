// The columns of a table, each with its type, an example and its meaning. A click on a name tells Python.
function part(name, text, label) {
  const span = document.createElement("span");
  span.className = name;
  span.textContent = text;
  if (label) span.title = label;
  return span;
}

export default function (component) {
  const { parentElement, data, setTriggerValue } = component;
  const list = parentElement.querySelector("ul");
  list.classList.toggle("dark", data.dark);
  list.setAttribute("aria-label", `Columns of ${data.table}`);
  list.replaceChildren(...data.columns.map((column) => {
    const item = document.createElement("li");
    const first = part("first", "");
    const button = document.createElement("button");
    button.type = "button";
    button.textContent = column.column;
    button.title = `Write ${column.column} into the statement`;
    button.addEventListener("click", () => setTriggerValue("picked", column.column));
    first.append(button, part("type", column.type));
    if (column.example) first.append(part("example", column.example, `For example: ${column.example}`));
    item.append(first, part("meaning", column.meaning));
    return item;
  }));
}
