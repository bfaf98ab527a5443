// A finished run in a page: the still pictures are taken over, so that no frame is in it twice.

function takeOver(root) {
  const state = JSON.parse(root.querySelector(".jl-data").textContent);
  for (const still of root.querySelectorAll("[data-point]")) state.points[still.dataset.point].f = still.src;
  for (const still of root.querySelectorAll("[data-picture]")) {
    state.stages[still.dataset.stage].pictures[still.dataset.picture] = still.src;
  }
  for (const point of state.points) if (point.v) point.v = channelData(point.v);
  const style = root.querySelector("style");
  root.replaceChildren(style);
  const inner = make("div");
  const view = new View(inner, null);
  view.state = state;
  if (state.against !== null) view.against = state.points.findLastIndex((point) => point.g === state.against);
  root.className = "";
  root.append(inner);
  view.draw();
}

for (const root of document.querySelectorAll('[data-jl="$key"]:not([data-jl-ready])')) {
  root.dataset.jlReady = "";
  takeOver(root);
}
