// How the parts of a view follow its state.

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

// Whether a stage was led to by another one: it took all that that one took.
function agrees({ choice }, { choice: before }) {
  const own = new Map(choice);
  return before.every(([name, value]) => own.get(name) === value);
}

// The sweep of the stage that is looked at, else the last one that has pictures.
function drawSweep(view) {
  const { state, axis, grid } = view;
  const source = (index) => {
    const { pictures } = state.stages[index];
    const framed = state.points.findLast((point) => point.g === index && point.f);
    return pictures && pictures.length ? pictures[0] : framed && framed.f;
  };
  const entries = state.stages.map(({ group, place, label }, index) => ({ group, place, label, index }));
  const far = new Map(((state.crew || {}).items || []).map(([index, , step]) => [index, step]));
  for (const entry of entries) {
    entry.source = axis.lastOf(entry.index) < 0 ? undefined : source(entry.index);
    entry.look = (state.looks || {})[entry.index];
    entry.far = far.get(entry.index);
  }
  const pictured = (sweep) => entries.some((entry) => entry.group === sweep.group && (entry.source || entry.look));
  const looked = state.stages[view.looked()] || {};
  const sweeps = state.sweeps || [];
  const sweep = sweeps.find(({ group, before }) => looked.group === group || looked.group === before) || sweeps.findLast(pictured);
  shown(grid.root, Boolean(sweep));
  if (!sweep) return false;
  const own = entries.filter((entry) => entry.group === sweep.group);
  const led = own.find((entry) => looked.group === sweep.before && agrees(state.stages[entry.index], looked));
  grid.show(sweep, own, led ? led.index : view.looked());
  return Boolean(sweep);
}

// Takes as much of a wide page as so many pictures side by side need; beside a narrow table stands the chosen one.
function widen(view, pictures) {
  const { grid, root } = view;
  const beside = !grid.root.hidden && grid.columns > 0 && grid.columns <= 5;
  root.classList.toggle("jl-wide", pictures > 0);
  root.classList.toggle("jl-beside", beside);
  needWidth(root, pictures, 28 + (grid.root.hidden || !grid.columns ? 0 : grid.side + 16) + (beside ? 580 : 0));
  view.balance();
}

// Several results side by side, each with what tells it from the others.
function drawResults(view) {
  const { state, results } = view;
  if (drawSweep(view)) {
    widen(view, view.grid.columns || view.grid.entries.length);
    return shown(results, false);
  }
  const made = state.stages.flatMap((stage, index) => (stage.pictures || []).map((source, at) => ({ stage, index, source, at })));
  const stages = new Set(made.map((entry) => entry.index));
  shown(results, stages.size > 1);
  widen(view, stages.size > 1 ? made.length : 0);
  if (stages.size < 2) return;
  const key = made.map((entry) => `${entry.index}:${entry.at}:${entry.stage.label}`).join("|");
  if (results.dataset.key !== key) {
    results.dataset.key = key;
    results.replaceChildren(
      ...made.map((entry) => {
        const cell = button("", () => {
          view.select(view.axis.lastOf(entry.index));
          if (entry.stage.pictures.length > 1) view.picture.enlarged = entry.at;
          view.draw();
        });
        const picture = make("img");
        picture.src = entry.source;
        picture.alt = entry.stage.label;
        cell.className = "jl-cell";
        cell.title = entry.stage.label;
        cell.append(picture, make("span", "", entry.stage.label));
        return cell;
      }),
    );
  }
  const here = state.points[view.at()];
  made.forEach((entry, at) => results.children[at].classList.toggle("jl-here", Boolean(here) && here.g === entry.index));
}

function drawNotes(view) {
  const { notes } = view.state;
  shown(view.notes, notes.length > 0);
  if (!notes.length || view.noteList.childElementCount === notes.length) return;
  const warnings = notes.filter((note) => note[1]);
  const told = warnings.length ? warnings.at(-1) : notes[0]; // the hand-overs come first, what libraries said last
  put(view.note, told[0].split("\n")[0] + (notes.length > 1 ? ` (+${notes.length - 1})` : ""));
  view.notes.classList.toggle("jl-warned", warnings.length > 0);
  view.noteList.replaceChildren(...notes.map(([text, warning]) => make("li", warning ? "jl-warning" : "", text)));
}

// What waits behind the run that goes on, in order: each can be taken out, or put first. Where that run is paused nothing
// goes on, and it can be let go on or ended from here.
function drawQueue(view) {
  const queue = view.state.queue || [];
  const paused = view.state.heldup;
  const ahead = queue.some(([, own]) => own) ? view.state.ahead : ""; // what the words of a run that waits count too
  const key = JSON.stringify([queue, ahead, paused]);
  shown(view.queue, Boolean(view.port) && (queue.length > 0 || Boolean(paused)));
  if (view.queue.dataset.key === key) return;
  view.queue.dataset.key = key;
  const rows = queue.map(([title, own], place) => {
    const act = (cmd) => () => view.port.send({ cmd, place });
    const doing = [];
    if (!own) doing.push(button("Cancel", act("cancel"), `cancel ${title}`)); // its own is in the head
    if (place) doing.push(button("Move to front", act("advance"), `move ${title} to the front`));
    return waits(place ? "then" : "next", own ? `${title} (this one)` : title, doing);
  });
  if (ahead) rows.unshift(waits("running", ahead));
  if (paused) rows.unshift(pausedRow(view, paused));
  view.queue.replaceChildren(...rows);
}

function waits(place, title, acts = []) {
  const row = make("span", "jl-waits");
  const doing = make("span", "jl-doing");
  doing.append(...acts);
  row.append(make("span", "jl-place", place), make("b", "", title), doing);
  return row;
}

function pausedRow({ port }, title) {
  const act = (stop) => () => port.send({ cmd: "free", stop });
  const resume = button(`Resume ${title}`, act(false), `resume ${title}`);
  resume.classList.add("jl-primary");
  return waits("paused", title, [resume, button(`Stop ${title}`, act(true), `stop ${title}`)]);
}

// The pictures of the stages at work, but for those that stand in the grid.
function drawLooks(view, items) {
  const { grid, state } = view;
  const placed = new Set(grid.root.hidden ? [] : grid.entries.map((entry) => entry.index));
  const seen = items.filter(([index]) => state.looks[index] && !placed.has(index));
  const key = JSON.stringify([seen, seen.map(([index]) => view.state.looks[index])]);
  shown(view.looks, seen.length > 0);
  if (view.looks.dataset.key === key) return;
  view.looks.dataset.key = key;
  view.looks.replaceChildren(
    ...seen.map(([index, name, step]) => {
      const figure = make("figure");
      const image = make("img");
      image.src = view.state.looks[index];
      image.alt = `preview of ${name}`;
      figure.append(image, make("figcaption", "", [name, step].filter(Boolean).join(" · ")));
      return figure;
    }),
  );
}

function drawCrew(view) {
  const { headings, rows = [], items = [] } = view.state.crew || {};
  drawLooks(view, items);
  shown(view.crew, rows.length > 0);
  if (!rows.length) return;
  put(view.crewTold, `${rows.length} workers`);
  const line = (kind, cells) => {
    const row = make("tr");
    row.append(...cells.map((text) => make(kind, "", text)));
    return row;
  };
  view.crewTable.replaceChildren(line("th", headings), ...rows.map((cells) => line("td", cells)));
}

function drawFacts(view, stage, point) {
  if (!stage) return view.facts.replaceChildren();
  const rows = stage.facts.map(([name, text]) => [name, text]);
  const latents = rows.find((row) => row[0] === "latents");
  if (latents && stage.name) latents[1] = [stage.name, latents[1]];
  if (point && !stage.bare) rows.splice(rows.findIndex((row) => row[0] === "model") + 1, 0, ["noise", point.n]);
  const clean = stage.clean && view.axis.lastOf(point ? point.g : 0) === view.at();
  if (stage.continues && !clean) rows.push(["continues", stage.continues]);
  const key = JSON.stringify(rows);
  if (view.facts.dataset.key === key) return;
  view.facts.dataset.key = key;
  view.facts.replaceChildren(
    ...rows.map(([name, text]) => {
      const row = make("tr");
      const head = make("th", "", name);
      head.scope = "row";
      head.title = tipOf(name, text);
      const cell = make("td");
      if (Array.isArray(text)) cell.append(make("code", "", text[0]), `\u2002${text[1]}`);
      else cell.textContent = text;
      if (name === "continues") cell.className = text.startsWith("exactly") ? "jl-good" : "jl-warning";
      row.append(head, cell);
      return row;
    }),
  );
}

// The channels of the step whose picture is shown; another step's would contradict it.
function drawChannels(view, index) {
  const { points } = view.state;
  const at = (points[index] || {}).v ? index : borrowed(view, index);
  const data = at === null ? null : points[at].v;
  const batch = view.picture.items > 1;
  const caption = batch ? "channels of the first picture" : "channels";
  view.channels.show(data || null, at === index ? caption : `${caption} at step ${points[at ?? index]?.s}`, batch);
}

// The index of the step whose picture stands for the selected one, which had no time for its own; null where it shows its own.
function borrowed(view, index) {
  const { points } = view.state;
  const framed = points[index] ? view.axis.framed(index) : -1;
  const decoded = view.sources(index)[0] !== (points[framed] || {}).f;
  return framed < 0 || framed === index || decoded ? null : framed;
}

// Says on the picture of which step it is, where that is another one than the one selected.
function badgeOf(view, index) {
  const picture = borrowed(view, index);
  return picture === null ? "" : `picture of step ${view.state.points[picture].s}`;
}

// What the large picture shows, for those who hear it.
function altOf(view, index) {
  const point = view.state.points[index];
  if (!point) return "no picture yet";
  return [`${view.state.stages[point.g].label}, ${point.n}`, badgeOf(view, index)].filter(Boolean).join(", ");
}

// What the halves of two pictures are called: the stages, with their steps where that alone tells them apart.
function halves(view, index) {
  const [left, right] = [view.against, index].map((at) => view.state.points[at]);
  const label = ({ g }) => view.state.stages[g].label;
  if (label(left) !== label(right)) return [label(left), label(right)];
  return [left, right].map((point) => `${label(point)}, step ${point.s}`);
}

// What can be compared with: the ends of the other stages first, then the first step.
function choices(view) {
  const { stages, points } = view.state;
  const here = points[view.at()];
  const found = stages.map((stage, index) => ({ index: view.axis.lastOf(index), text: stage.label, stage: index }));
  const ends = found.filter((entry) => entry.index >= 0 && here && entry.stage !== here.g);
  const own = found.filter((entry) => entry.index >= 0 && here && entry.stage === here.g);
  return [...ends, { index: view.axis.nearest(0, (point) => point.f), text: "the first step" }, ...own];
}

function drawCompare(view) {
  const { pinned, compare, against, state } = view;
  const on = against !== null;
  compare.setAttribute("aria-pressed", String(on));
  put(compare, on ? "Compare with" : "Compare");
  shown(compare, state.points.length > 1);
  shown(pinned, on && state.points.length > 1);
  if (!on) return;
  const found = choices(view);
  const key = JSON.stringify(found);
  if (pinned.dataset.key !== key) {
    pinned.dataset.key = key;
    pinned.replaceChildren(
      ...found.map((entry) => {
        const option = make("option", "", entry.text);
        option.value = entry.index;
        return option;
      }),
    );
  }
  pinned.value = against;
  if (pinned.selectedIndex < 0 && found.length) view.against = Number((pinned.value = found[0].index));
}

// What the page holds of a picture is a copy; the line is for the one that was made, or for that of a step.
function drawMenu(view, stage, index) {
  const swept = isSwept(view);
  shown(view.own, swept && (Boolean(view.port) || Boolean(heldCell(view.state, index))));
  shown(view.sheet, swept && (Boolean(view.port) || (Boolean(stage) && stage.name.endsWith("]"))));
  if (view.port || index < 0) return;
  const decoded = view.sources(index)[0] === (stage.pictures || [])[0];
  put(view.copied, decoded ? `Picture .png as shown here${stage.made || ""}` : "Picture .png: the preview of this step");
  shown(view.whole, Boolean(view.name));
}

// Export: files through the kernel where there is one; else the picture by the browser, and the line for the latents.
function buildMenu(view) {
  const menu = make("details", "jl-menu");
  const list = make("div", "jl-list");
  const entry = (text, act) => {
    const item = button(text, () => {
      menu.open = false;
      act();
    });
    list.append(item);
    return item;
  };
  if (view.port) {
    for (const kind of [...FORMATS, "png"])
      entry(kind === "png" ? "Picture .png" : `Latents .${kind}`, () => {
        view.port.send({ cmd: "export", kind, point: view.at(), picture: view.picture.enlarged });
      });
  } else {
    view.copied = entry("Picture .png", () => view.picture.download(`${view.name || "picture"}.png`));
    view.whole = entry("Copy the line to save the whole picture", () => {
      const item = view.picture.items > 1 ? `.split()[${Math.max(0, view.picture.enlarged)}]` : "";
      view.copy(`${view.expression}${item}.save("${view.name}.png")`);
    });
    for (const kind of FORMATS)
      entry(`Copy the line to save .${kind}`, () => view.copy(`${view.expression}.save("${view.name}.${kind}")`));
  }
  view.sheet = entry(view.port ? "Sheet of all .png" : "Copy the line to save the sheet of all", () => {
    const [name] = view.state.stages[view.looked()].name.split("[");
    if (view.port) view.port.send({ cmd: "sheet" });
    else view.copy(`${name}.grid().save("${name}.png")`);
  });
  view.own = entry("Copy the cell of this picture", () => view.askForCell(false, false));
  menu.append(make("summary", "jl-button", "Export \u25be"), list);
  menu.addEventListener("keydown", (event) => {
    if (event.key !== "Escape" || !menu.open) return;
    menu.open = false;
    menu.firstChild.focus();
  });
  menu.addEventListener("focusout", (event) => {
    if (!menu.contains(event.relatedTarget)) menu.open = false;
  });
  return menu;
}
