// The view in a notebook: states and frames come as custom messages, commands go back; a new view asks for everything.

const ASK_AGAIN = 400; // milliseconds; the first request may be lost while the kernel's subshell is being made

const GONE = ["restarting", "autorestarting", "terminating", "dead"]; // a kernel's states that a run does not survive

// What a message says of the run stands in it as `payload.head` and `crew` name it; what needs its buffers is taken apart.
function receive(view, urls, message, buffers) {
  const { state } = view;
  const { all, model, stages, points = [], looks = [], pictures = [], whole, said, cell, new: fresh, ...told } = message;
  if (!all && !view.told) return;
  view.told = true;
  const url = (index) => {
    const made = URL.createObjectURL(new Blob([buffers[index]], { type: "image/jpeg" }));
    urls.push(made);
    return made;
  };
  if (all) {
    urls.splice(0).forEach((old) => URL.revokeObjectURL(old));
    state.points = [];
    state.stages = [];
    state.looks = {};
    view.asked.clear();
  }
  Object.assign(state, told);
  if (stages) {
    state.stages = stages.map((stage, index) => ({ pictures: (state.stages[index] || {}).pictures, ...stage }));
  }
  for (const { i, fb, vb, v, ...point } of points) {
    const kept = state.points[i] || {};
    state.points[i] = { f: kept.f, v: kept.v, ...point };
    if (fb !== undefined) state.points[i].f = url(fb);
    if (vb !== undefined) state.points[i].v = channelData(v, bytesOf(buffers[vb]));
  }
  for (const { item, b } of looks) {
    const old = state.looks[item];
    state.looks[item] = url(b);
    if (old) URL.revokeObjectURL(urls.splice(urls.indexOf(old), 1)[0]);
  }
  for (const { g, b } of pictures) state.stages[g].pictures = b.map(url);
  if (whole) view.enlarged.replace(url(whole.b));
  if (said !== undefined) put(view.said, said);
  if (cell !== undefined) view.takeCell(cell, fresh);
  view.draw();
}

// What is left of a run whose kernel has ended: the last picture and the last words. Nothing can be pressed any more.
function remains(view) {
  const { state } = view;
  state.state = "failed";
  state.status = `the kernel ended: ${state.status}`;
  state.left = "";
  view.draw();
  const [, picture] = view.picture.png().split(",");
  const words = document.createElement("div");
  words.textContent = `${state.title}: ${state.status}`;
  const shown = picture ? `<div><img alt="the last picture" src="data:image/png;base64,${picture}"></div>` : "";
  return {
    "text/plain": words.textContent,
    "text/html": `${words.outerHTML}${shown}`, // a picture alone would hide the words
    ...(picture && { "image/png": picture }),
  };
}

// The elements of a page of ours, which holds no scripts; whoever changed one of a saved notebook gets none to run.
function inert(html) {
  const { head, body } = new DOMParser().parseFromString(html, "text/html");
  for (const part of [head, body]) {
    part.querySelectorAll("script, iframe, object, embed, link, meta, base, form").forEach((one) => one.remove());
    for (const one of part.querySelectorAll("*")) {
      const alive = [...one.attributes].filter(({ name, value }) => /^on/i.test(name) || /^\s*javascript:/i.test(value));
      alive.forEach(({ name }) => one.removeAttribute(name));
    }
  }
  return [...head.childNodes, ...body.childNodes];
}

function bytesOf(buffer) {
  return new Uint8Array(buffer.buffer || buffer, buffer.byteOffset || 0, buffer.byteLength);
}

function render({ model, el }) {
  const urls = [];
  const page = String(Math.random());
  const context = model.widget_manager?.context; // of the notebook, where there is one
  let lasting = null; // what shall stand in the widget's place
  let id = "";
  const insert = (cell) => insertCell(context, id, cell);
  const view = new View(el, { send: (command) => model.send(command), inserts: inserts(context), insert });
  const listen = (message, buffers) => {
    id = message.model || id;
    still.remove();
    shown(el, true);
    if (!message.lasting) return receive(view, urls, message, buffers);
    lasting = message;
    if (!message.later) settle(context, lasting);
  };
  const saved = (_, state) => state === "started" && lasting && settle(context, lasting);
  const changed = (_, status) => GONE.includes(status) && settle(context, lasting || { lasting: remains(view), model: id });
  context?.saveState?.connect(saved);
  context?.sessionContext?.statusChanged.connect(changed);
  model.on("msg:custom", listen);
  view.draw();
  const still = document.createElement("div"); // until a kernel answers
  still.append(...inert(model.get?.("still") || ""));
  if (still.firstChild) el.before(still);
  shown(el, !still.firstChild);
  const ask = () => view.told || model.send({ cmd: "sync", page });
  const asking = setInterval(() => (view.told ? clearInterval(asking) : ask()), ASK_AGAIN);
  ask();
  return () => {
    clearInterval(asking);
    context?.saveState?.disconnect(saved);
    context?.sessionContext?.statusChanged.disconnect(changed);
    model.off("msg:custom", listen);
    urls.forEach((url) => URL.revokeObjectURL(url));
    model.send({ cmd: "left", page });
  };
}

export default { render };
