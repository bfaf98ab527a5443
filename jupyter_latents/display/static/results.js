// Several results: the table of a sweep, or pictures side by side.

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
