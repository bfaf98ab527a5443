// What the kernel offers after a run that ended before its time. It is drawn nowhere: the output of the run, a page
// without a kernel of its own, hears of it by events of the document, and so does one that is opened later.

const ASK_AGAIN = 400; // milliseconds; the first request may be lost while the kernel's subshell is being made
const GONE = ["restarting", "autorestarting", "terminating", "dead"];

function initialize({ model }) {
  const context = model.widget_manager?.context; // of the notebook, where there is one
  let offer = null;
  const press = (kind) => model.send({ cmd: kind });
  const tell = () => {
    if (!offer) return;
    const able = !offer.placing || inserts(context);
    document.dispatchEvent(new CustomEvent("jl-offer", { detail: { ...offer, ways: able ? offer.ways : [], press } }));
  };
  const listen = (message) => {
    if (message.place) return void model.send({ placed: message.id, done: placeBelow(context, message) });
    offer = message;
    tell();
  };
  const asked = ({ detail }) => offer && detail === offer.key && tell();
  const gone = () => {
    if (offer) offer.ways = [];
    tell();
  };
  const changed = (_, status) => GONE.includes(status) && gone();
  model.on("msg:custom", listen);
  document.addEventListener("jl-ask", asked);
  context?.sessionContext?.statusChanged.connect(changed);
  const ask = () => offer || model.send({ cmd: "ask" });
  const asking = setInterval(() => (offer ? clearInterval(asking) : ask()), ASK_AGAIN);
  return () => {
    gone();
    clearInterval(asking);
    model.off("msg:custom", listen);
    document.removeEventListener("jl-ask", asked);
    context?.sessionContext?.statusChanged.disconnect(changed);
  };
}

export default { initialize };
