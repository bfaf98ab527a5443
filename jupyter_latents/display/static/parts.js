// Small makers of elements, and the words that several parts use. Text always goes in as text, never as HTML.

function make(tag, className, text) {
  const element = document.createElement(tag);
  if (className) element.className = className;
  if (text !== undefined) element.textContent = text;
  return element;
}

function button(text, act, label) {
  const element = make("button", "jl-button", text);
  element.type = "button";
  if (label) element.setAttribute("aria-label", label);
  element.addEventListener("click", act);
  return element;
}

// Sets only what differs, so that a screen reader is not told the same again.
function put(element, text) {
  if (element.textContent !== text) element.textContent = text;
}

// A text whose option names stay whole: a line may end after any other hyphen.
function putWords(element, text) {
  if (element.textContent === text) return;
  const parts = text.split(/(--[a-z0-9][\w-]*)/);
  element.replaceChildren(...parts.map((part, at) => (at % 2 ? make("span", "jl-whole", part) : part)));
}

// JupyterLab takes the arrow keys of whatever has the focus for its cells, unless the element itself says no.
function keepKeys(element) {
  element.setAttribute("data-lm-suppress-shortcuts", "true");
}

function shown(element, yes) {
  element.hidden = !yes;
}

const [LEAST, MOST, GAP] = [104, 160, 8]; // pixels of a picture among others, and between two

// As many columns as there is room for, or fewer, so that the rows are even and none has a single picture.
function balance(box, count) {
  const width = box.offsetWidth;
  if (!width || !count) return;
  const most = Math.max(1, Math.floor((width + GAP) / (Math.min(LEAST, width / 4) + GAP)));
  const even = Math.ceil(count / Math.ceil(count / most));
  const columns = [even, even - 1, most + 1].find((one) => one > 1 && count % one !== 1) ?? even;
  box.style.gridTemplateColumns = `repeat(${columns}, minmax(0, ${MOST}px))`;
}

// The width that so many pictures side by side ask for; a page that is wider is left free.
function needWidth(root, pictures, beside = 0) {
  root.style.setProperty("--jl-need", `${pictures * (MOST + GAP) + beside}px`);
}

function number(value) {
  return (value < 0 ? "\u2212" : "") + Math.abs(value).toFixed(2);
}

// Steps of all stages on one axis: where each stage begins, how long the whole is, which point stands where.
class Axis {
  // `path` are the indices of the stages that stand on it.
  constructor(state, path) {
    this.state = state;
    this.path = path;
    this.on = new Set(path);
    this.begins = [];
    this.ends = []; // by stage, the index of its last point
    this.length = 0;
    state.stages.forEach((stage, index) => {
      this.begins.push(this.length);
      if (this.on.has(index)) this.length += stage.steps;
    });
    state.points.forEach((point, index) => (this.ends[point.g] = index));
  }

  position(point) {
    return this.begins[point.g] + point.s - this.state.stages[point.g].start;
  }

  // The index of the point that is nearest to a position, among those that `accept` takes; -1 when there is none.
  nearest(position, accept = () => true) {
    let best = -1;
    let distance = Infinity;
    this.state.points.forEach((point, index) => {
      const away = Math.abs(this.position(point) - position);
      if (this.on.has(point.g) && accept(point) && away <= distance) [best, distance] = [index, away];
    });
    return best;
  }

  // The frame that stands for a point: its own, else the last one before it in its stage, else the nearest one.
  framed(index) {
    const { points } = this.state;
    for (let at = index; at >= 0 && points[at].g === points[index].g; at--) if (points[at].f) return at;
    return index < 0 ? -1 : this.nearest(this.position(points[index]), (point) => point.f);
  }

  // The stage that runs the step which ends at a position.
  stageAt(position) {
    let found = this.path[0];
    this.begins.forEach((begin, stage) => {
      if (this.on.has(stage) && begin < position) found = stage;
    });
    return found;
  }

  // The newest point of the stages on the axis.
  newest() {
    return this.state.points.findLast((point) => this.on.has(point.g));
  }

  // Whether a point is the last one of its stage.
  isEnd(point) {
    return this.state.points[this.lastOf(point.g)] === point;
  }

  lastOf(stage) {
    return this.ends[stage] ?? -1;
  }
}
