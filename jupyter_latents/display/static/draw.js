// How the parts of a view follow its state.

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
