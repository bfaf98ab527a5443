// A gallery in a page of its own: the still pictures are taken over, so that none is in it twice.

for (const root of document.querySelectorAll('[data-jl="$key"]:not([data-jl-ready])')) {
  root.dataset.jlReady = "";
  const state = { live: {}, ...JSON.parse(root.querySelector(".jl-data").textContent) };
  [...root.querySelectorAll(".jl-card")].forEach((card, at) => (state.items[at].f = card.querySelector("img")?.src));
  const inner = make("div");
  const gallery = new Gallery(inner, null);
  gallery.state = state;
  root.replaceChildren(root.querySelector("style"), inner);
  root.className = "";
  gallery.draw();
}
