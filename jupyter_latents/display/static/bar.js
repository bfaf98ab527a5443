// The bar of the stages, the levels below it, and the strip of small pictures.

const STRIP = 10;

function drawBar(view) {
  const { state, axis, bar } = view;
  const stages = axis.path.map((index) => state.stages[index]);
  const key = JSON.stringify(stages.map((stage) => [stage.where, stage.steps, stage.sigma, stage.switches]));
  if (bar.dataset.key !== key) {
    bar.dataset.key = key;
    bar.replaceChildren(
      ...stages.map((stage, index) => {
        const segment = make("div", `jl-segment jl-hue${index % 4}`);
        segment.style.flexGrow = stage.steps;
        segment.title = stage.where;
        segment.append(make("div", "jl-done"), ...(stage.switches || []).map((step) => switchAt(stage, step)));
        return segment;
      }),
    );
  }
  axis.path.forEach((index, place) => {
    const last = axis.lastOf(index);
    const { start, steps } = state.stages[index];
    const done = last < 0 ? 0 : (state.points[last].s - start) / steps;
    bar.children[place].firstChild.style.width = `${done * 100}%`;
  });
  const newest = axis.newest();
  const broke = state.state === "failed" ? axis.path.findLast((index) => !state.stages[index].coming) : undefined;
  axis.path.forEach((index, place) => bar.children[place].classList.toggle("jl-broke", index === broke));
  bar.setAttribute("aria-valuemax", axis.length);
  bar.setAttribute("aria-valuenow", newest ? axis.position(newest) : 0);
  drawLegend(view);
}

// A notch where what steers a stage changes.
function switchAt(stage, step) {
  const notch = make("div", "jl-switch");
  notch.style.left = `${((step - stage.start) / stage.steps) * 100}%`;
  notch.title = `changes after step ${step}`;
  return notch;
}

// σ at the joints of the bar, as far as there is room, and below what each stage runs.
function drawLegend({ state, axis, legend }) {
  const stages = axis.path.map((index) => state.stages[index]);
  const form = (stages[0] || {}).form; // said once, at the first level
  const marks = axis.path.map((index, place) => [
    axis.begins[index],
    levelText(state.stages[index].sigma || endLevel(state, axis, axis.path[place - 1]), place ? "" : form),
  ]);
  const end = levelText(endLevel(state, axis, axis.path.at(-1)));
  marks.push([axis.length, end || (marks.length && marks[0][1] ? comingEnd(stages.at(-1)) : "")]);
  const few = stages.length <= 4 ? stages : [];
  const alike = few.length > 1 && new Set(few.map((stage) => stage.where)).size === 1; // a product: tell them apart
  const texts = few.map((stage) => (alike ? stage.label : stage.where));
  const key = JSON.stringify([marks, texts, stages.length]);
  if (legend.dataset.key === key) return;
  legend.dataset.key = key;
  const levels = make("div", "jl-levels");
  let free = 0;
  for (const [position, text] of marks) {
    const share = axis.length ? position / axis.length : 0;
    if (!text || (share < free && share < 1)) continue;
    const level = make("span", share === 1 ? "jl-last" : share ? "jl-joint" : "", text);
    level.style.left = `${share * 100}%`;
    level.title = tipOf("noise", text);
    levels.append(level);
    free = Math.min(share + 0.12, 0.9);
  }
  const names = make("div", "jl-names");
  for (const [index, text] of texts.entries()) names.append(make("span", `jl-name jl-hue${index % 4}`, text));
  if (!few.length) names.append(make("span", "", `${stages.length} stages`));
  legend.replaceChildren(levels, names);
}

function levelText(sigma, form) {
  if (Number(sigma) === 0 && sigma) return "clean";
  return sigma ? `σ ${sigma}${form ? ` (${form})` : ""}` : "";
}

// What the bar leads to while the last stage has not come there: one that runs to the end of its schedule ends clean.
function comingEnd({ start, steps, of }) {
  return start + steps === of ? "clean" : `step ${start + steps}`;
}

// The level at which a stage ended, or stands where it is the last one begun.
function endLevel({ stages, points }, axis, index) {
  const point = index === undefined ? null : points[axis.lastOf(index)];
  const ended = point && point.s === stages[index].start + stages[index].steps;
  return ended ? point.q : "";
}

// The parts of the bar with a thumbnail each: where they begin and end, in steps.
function partsOf({ length }) {
  const count = Math.min(STRIP, length);
  return Array.from({ length: count }, (_, part) => [(length * part) / count, (length * (part + 1)) / count]);
}

// A thumbnail for each part of the bar that it ends under; a part whose steps had no time for a picture stays empty.
function drawStrip(view) {
  const { state, axis } = view;
  const pictured = (point) => view.thumbnail(point);
  const newest = axis.newest();
  const done = newest ? axis.position(newest) : 0;
  const own = state.points.filter((point) => axis.on.has(point.g));
  const parts = partsOf(axis);
  shown(view.strip, own.some(pictured) && (own.filter(pictured).length > 1 || !state.sweeps.length));
  shown(view.track, own.length > 1 || Boolean(view.port));
  view.strip.style.setProperty("--jl-parts", parts.length || 1);
  view.thumbs.forEach((thumb, index) => {
    shown(thumb, index < parts.length);
    if (index >= parts.length) return;
    const [from, to] = parts[index];
    const found = stepFor(axis, from, to, pictured);
    const source = found < 0 ? undefined : pictured(state.points[found]);
    thumb.classList.toggle("jl-empty", !source);
    thumb.classList.toggle("jl-coming", done <= from);
    thumb.classList.toggle("jl-lost", !view.port && !source && done > from);
    thumb.disabled = found < 0;
    if (!source) thumb.firstChild.removeAttribute("src");
    else if (thumb.firstChild.getAttribute("src") !== source) thumb.firstChild.src = source;
    thumb.dataset.point = found;
    const point = state.points[found];
    thumb.dataset.step = point ? point.s : "";
    const told = point ? `${state.stages[point.g].label}, ${point.n}` : "";
    const label = point && !source ? `${told}, no picture ${view.port ? "yet" : "is kept"}` : told;
    if (thumb.title === label) return;
    thumb.title = label;
    thumb.setAttribute("aria-label", label);
  });
}

// The step that a part of the bar stands for: the end of a stage within it, else the last with a picture, else the last.
function stepFor(axis, from, to, pictured) {
  const within = (point) => axis.position(point) > from && axis.position(point) <= to;
  const wanted = [(point) => axis.isEnd(point) && pictured(point), pictured, () => true];
  const found = wanted.map((accept) => axis.nearest(to, (point) => within(point) && accept(point)));
  return found.find((index) => index >= 0) ?? -1;
}
