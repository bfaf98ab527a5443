// A picture over all else, as large as the window lets it be; Escape, a click or the button ends it.
class Enlarged {
  constructor(home) {
    this.root = make("dialog", "jl-full");
    this.root.setAttribute("aria-label", "enlarged picture");
    this.image = make("img");
    this.words = make("div", "jl-fullwords");
    this.caption = make("span");
    this.words.append(this.caption, make("span", "jl-space"), button("Close", () => this.root.close()));
    this.root.append(this.image, this.words);
    keepKeys(this.root);
    this.root.addEventListener("click", (event) => event.target !== this.caption && this.root.close());
    home.append(this.root);
  }

  // `made` tells where the page holds a smaller copy than was made.
  open(source, caption, made) {
    this.image.src = source;
    this.image.alt = caption;
    put(this.caption, made ? `${caption}, shown at${made.slice(1)}` : caption);
    if (!this.root.open) this.root.showModal();
  }

  replace(source) {
    if (this.root.open) this.image.src = source;
  }
}
