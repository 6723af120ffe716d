/** Makes elements, without markup in strings. */

/**
 * An element. `on...` are listeners, other values attributes; true, numbers and objects are
 * properties where the element has one of that name, and undefined, null and false are left out.
 */
export function h(tag, props = {}, ...children) {
  const node = document.createElement(tag);
  for (const [name, value] of Object.entries(props)) set(node, name, value);
  node.append(
    ...children.flat().filter((child) => child !== null && child !== undefined && child !== false),
  );
  return node;
}

function set(node, name, value) {
  if (value === undefined || value === null || value === false) return;
  if (name.startsWith("on")) node.addEventListener(name.slice(2), value);
  else if (typeof value !== "string" && name in node) node[name] = value;
  else node.setAttribute(name, value === true ? "" : String(value));
}

const SVG = "http://www.w3.org/2000/svg";

/** Outlines on a grid of 24 by 24. */
const ICONS = {
  again: "M4 12a8 8 0 0 1 14-5.3L20 9M20 4v5h-5M20 12a8 8 0 0 1-14 5.3L4 15M4 20v-5h5",
  check: "M5 12.5l4.5 4.5L19 7.5",
  close: "M6 6l12 12M18 6L6 18",
  dark: "M20 14.5A8.5 8.5 0 0 1 9.5 4a8.5 8.5 0 1 0 10.5 10.5z",
  detach: "M4.5 12a7.5 7.5 0 1 1 15 0 7.5 7.5 0 0 1-15 0zM8.5 12h7",
  download: "M12 4v11M7.5 11l4.5 4.5 4.5-4.5M5 20h14",
  edit: "M4 20h4L19 9l-4-4L4 16zM13 7l4 4",
  file: "M7 3h7l4 4v14H7zM14 3v4h4",
  fit: "M4 9V4h5M20 9V4h-5M4 15v5h5M20 15v5h-5",
  folder: "M3 6.5h6l2 2.5h10v10.5H3z",
  key: "M15 4.5a4.5 4.5 0 1 0 0 9 4.5 4.5 0 0 0 0-9zM11.8 12.2L4 20M7.5 16.5l2.5 2.5M15 9h.01",
  keyboard: "M3 6.5h18v11H3zM7 10h.01M11 10h.01M15 10h.01M8 14h8",
  library: "M5 4v16M10 4v16M14.5 4.5l4.5 15",
  light: "M12 8a4 4 0 1 0 0 8 4 4 0 0 0 0-8zM12 2.5v2M12 19.5v2M2.5 12h2M19.5 12h2M5.3 5.3l1.4 " +
    "1.4M17.3 17.3l1.4 1.4M5.3 18.7l1.4-1.4M17.3 6.7l1.4-1.4",
  link:
    "M10 14a4 4 0 0 0 5.7 0l3-3A4 4 0 0 0 13 5.3l-1 1M14 10a4 4 0 0 0-5.7 0l-3 3a4 4 0 0 0 5.7 " +
    "5.7l1-1",
  map:
    "M6 7.5h.01M11 5h.01M9 11h.01M15 9h.01M18.5 14h.01M15.5 17.5h.01M12.5 15h.01M6.5 16h.01M18 " +
    "5.5h.01",
  mic:
    "M12 3.5a3 3 0 0 0-3 3V12a3 3 0 0 0 6 0V6.5a3 3 0 0 0-3-3zM5.5 11.5a6.5 6.5 0 0 0 13 0M12 18v3",
  minus: "M5 12h14",
  nobody:
    "M12 4.5a3.75 3.75 0 1 0 0 7.5 3.75 3.75 0 0 0 0-7.5zM5.5 20a6.5 6.5 0 0 1 13 0M4 4l16 16",
  next: "M9 5l7 7-7 7",
  pause: "M8.5 5.5v13M15.5 5.5v13",
  person: "M12 4.5a3.75 3.75 0 1 0 0 7.5 3.75 3.75 0 0 0 0-7.5zM5.5 20a6.5 6.5 0 0 1 13 0",
  play: "M8 5.5v13l10.5-6.5z",
  plus: "M12 5v14M5 12h14",
  previous: "M15 5l-7 7 7 7",
  search: "M10.5 4a6.5 6.5 0 1 0 0 13 6.5 6.5 0 0 0 0-13zM15.5 15.5L20 20",
  speakers:
    "M9 4.5a3.75 3.75 0 1 0 0 7.5 3.75 3.75 0 0 0 0-7.5zM2.5 20a6.5 6.5 0 0 1 13 0M16.5 5.5a5 5 " +
    "0 0 1 0 5.5M19.5 3.5a9.5 9.5 0 0 1 0 9.5",
  status: "M3 12.5h4l2.5-7 5 13 2.5-6h4",
  stop: "M7 7h10v10H7z",
  trash: "M4.5 7h15M9.5 7V4.5h5V7M6.5 7l1 13h9l1-13M10.5 11v5M13.5 11v5",
  upload: "M12 15.5V4.5M7.5 9L12 4.5 16.5 9M5 20h14",
  warning: "M12 4L3 20h18zM12 10v4.5M12 17.3h.01",
  wave: "M4 10.5v3M8 7.5v9M12 4v16M16 8.5v7M20 10.5v3",
};

/** An icon in the colour of the text; screen readers pass it over. */
export function icon(name) {
  const svg = document.createElementNS(SVG, "svg");
  const attributes = { viewBox: "0 0 24 24", "aria-hidden": "true", class: `icon icon-${name}` };
  for (const [key, value] of Object.entries(attributes)) svg.setAttribute(key, value);
  const path = document.createElementNS(SVG, "path");
  path.setAttribute("d", ICONS[name]);
  svg.append(path);
  return svg;
}

/** A button of an icon alone: its name is read out, and shown by the pointer. */
export function iconButton(name, label, onclick, props = {}) {
  return h(
    "button",
    { type: "button", class: "icon-button", "aria-label": label, title: label, onclick, ...props },
    icon(name),
  );
}

/** A labelled field: the label holds the input, and a note describes it. */
export function field(label, input, note) {
  const named = h("label", { class: "field" }, h("span", { class: "field-label" }, label), input);
  if (!note) return named;
  notes += 1;
  const id = `note-${notes}`;
  input.setAttribute("aria-describedby", id);
  return h("div", { class: "field" }, named, h("span", { class: "field-note", id }, note));
}

let notes = 0;

/** Runs `change`, which may put another heading in place: the focus stays on the heading. */
export function keepHeading(root, change) {
  const focused = root.contains(document.activeElement) && document.activeElement.tagName === "H1";
  change();
  const heading = root.querySelector("h1");
  heading.tabIndex = -1;
  if (focused) heading.focus({ preventScroll: true });
}

/** Calls `then` once the calls have paused for `wait` milliseconds. */
export function afterPause(wait, then) {
  let timer;
  return (...values) => {
    clearTimeout(timer);
    timer = setTimeout(() => then(...values), wait);
  };
}
