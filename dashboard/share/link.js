// Shows a text and copies it. Without a text it is the address of the page, read when somebody looks or copies:
// widgets of the page may have changed it since.
const READABLE = { "%2C": ",", "%3A": ":", "%2F": "/", "%20": "+", "%40": "@" };

function address() {
  const here = new URL(location.href);
  here.hash = "";
  return here.toString().replace(/%(?:2C|3A|2F|20|40)/g, (found) => READABLE[found]);
}

async function write(text) {
  if (navigator.clipboard && window.isSecureContext) return navigator.clipboard.writeText(text);
  const area = document.createElement("textarea"); // on a page without TLS there is no other way
  area.value = text;
  document.body.append(area);
  area.select();
  const done = document.execCommand("copy");
  area.remove();
  if (!done) throw new Error("refused");
}

export default function ({ parentElement, data }) {
  const shown = parentElement.querySelector(".text");
  const button = parentElement.querySelector(".copy");
  const text = () => data?.text || address();
  const label = data?.label || "Copy link";
  shown.textContent = text();
  if (button.dataset.done !== "1") button.textContent = label;
  button.setAttribute("aria-live", "polite");
  button.onclick = async () => {
    shown.textContent = text();
    try {
      await write(text());
      button.textContent = "Copied";
    } catch {
      button.textContent = "Select the text and press Ctrl+C";
    }
    button.dataset.done = "1";
    setTimeout(() => {
      button.textContent = label;
      button.dataset.done = "";
    }, 2500);
  };
}
