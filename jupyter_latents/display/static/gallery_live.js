// The gallery in a notebook: results and pictures come as custom messages; the kernel says when there are more.

const ASK_AGAIN = 400; // milliseconds; the first request may be lost while the kernel's subshell is being made

function render({ model, el }) {
  const context = model.widget_manager?.context; // of the notebook, where there is one
  const page = String(Math.random());
  const urls = [];
  let lasting = null;
  let id = "";
  let told = false;
  const insert = (cell) => insertCell(context, id, cell);
  const gallery = new Gallery(el, { send: (command) => model.send(command), inserts: inserts(context), insert });
  const url = (buffer) => {
    if (!buffer.byteLength) return "";
    urls.push(URL.createObjectURL(new Blob([buffer], { type: "image/jpeg" })));
    return urls.at(-1);
  };
  const listen = (message, buffers) => {
    id = message.model || id;
    if (message.news) return model.send({ cmd: "news" });
    if (message.lasting) return void (lasting = message);
    if (message.all) {
      told = true;
      urls.splice(0).forEach((old) => URL.revokeObjectURL(old));
      gallery.cards.dataset.key = "";
      gallery.state = { ...message.all, items: message.all.items.map((one, at) => ({ ...one, f: url(buffers[at]) })) };
    }
    if ("said" in message) put(gallery.said, message.said);
    if ("cell" in message) gallery.put(message.cell);
    if (message.whole && message.whole.item === gallery.opened) gallery.enlarged.replace(url(buffers[0]));
    gallery.draw();
  };
  const saved = (_, state) => state === "started" && lasting && settle(context, lasting);
  context?.saveState?.connect(saved);
  model.on("msg:custom", listen);
  gallery.draw();
  const ask = () => told || model.send({ cmd: "sync", page });
  const asking = setInterval(() => (told ? clearInterval(asking) : ask()), ASK_AGAIN);
  ask();
  return () => {
    clearInterval(asking);
    context?.saveState?.disconnect(saved);
    model.off("msg:custom", listen);
    urls.forEach((one) => URL.revokeObjectURL(one));
  };
}

export default { render };
