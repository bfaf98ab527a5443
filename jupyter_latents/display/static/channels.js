// The channels of the latents as grey tiles, and the values under the pointer.

class Channels {
  constructor() {
    this.root = make("div", "jl-channels");
    this.tiles = make("div", "jl-tiles");
    this.values = make("div", "jl-values");
    this.values.setAttribute("aria-live", "polite");
    this.root.append(this.tiles, this.values);
    this.data = null;
    this.cell = null;
    this.onpoint = () => {};
  }

  // Of a batch it is the first item's; `batch` says so in the values.
  show(data, caption, batch) {
    shown(this.root, Boolean(data));
    if (!data || (data === this.data && caption === this.caption)) return;
    this.first = batch ? "0, " : "";
    const same = this.data && this.data.c === data.c && this.data.h === data.h && this.data.w === data.w;
    this.data = data;
    this.caption = caption;
    if (!same) this.build();
    for (let channel = 0; channel < data.c; channel++) this.draw(this.tiles.children[channel], channel);
    this.tell();
  }

  build() {
    const { c, h, w } = this.data;
    this.tiles.replaceChildren();
    this.tiles.classList.toggle("jl-tiles-many", c > 4);
    for (let channel = 0; channel < c; channel++) {
      const tile = make("canvas", "jl-tile");
      tile.width = w;
      tile.height = h;
      tile.setAttribute("role", "img");
      tile.setAttribute("aria-label", `channel ${channel} of the latents`);
      tile.addEventListener("pointermove", (event) => {
        const box = tile.getBoundingClientRect();
        this.point((event.clientX - box.left) / box.width, (event.clientY - box.top) / box.height);
      });
      tile.addEventListener("pointerleave", () => this.point());
      this.tiles.append(tile);
    }
  }

  draw(tile, channel) {
    const { h, w, bytes } = this.data;
    const context = tile.getContext("2d");
    const picture = context.createImageData(w, h);
    for (let at = 0; at < h * w; at++) {
      picture.data.fill(bytes[channel * h * w + at], at * 4, at * 4 + 3);
      picture.data[at * 4 + 3] = 255;
    }
    context.putImageData(picture, 0, 0);
  }

  // The pointer at fractions of the picture, or nowhere.
  point(x, y) {
    const within = this.data && x !== undefined && x >= 0 && y >= 0 && x < 1 && y < 1;
    this.cell = within ? [Math.floor(y * this.data.h), Math.floor(x * this.data.w)] : null;
    this.tell();
    this.onpoint(this.cell);
  }

  move(rows, columns) {
    const { h, w } = this.data;
    const [row, column] = this.cell || [h >> 1, w >> 1];
    this.cell = [Math.min(h - 1, Math.max(0, row + rows)), Math.min(w - 1, Math.max(0, column + columns))];
    this.tell();
    this.onpoint(this.cell);
  }

  tell() {
    if (!this.cell || !this.data) return put(this.values, this.caption || "");
    const { c, h, w, d, lo, hi, bytes } = this.data;
    const [row, column] = this.cell;
    const values = [];
    for (let channel = 0; channel < c; channel++) {
      const byte = bytes[channel * h * w + row * w + column];
      values.push(number(lo[channel] + (byte / 255) * (hi[channel] - lo[channel])));
    }
    put(this.values, `[${this.first}:, ${row * d}, ${column * d}] = ${values.join(", ")}`);
  }
}

function channelData(described, bytes) {
  return { ...described, bytes: bytes || Uint8Array.from(atob(described.b), (letter) => letter.charCodeAt(0)) };
}
