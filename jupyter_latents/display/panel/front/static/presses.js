// A front end keeps what is typed back while an earlier change is under way, and a click would overtake it. So a click on
// a button of the panel goes to the kernel together with what a person has put into fields since the last one.

function render({ model, el }) {
  const manager = model.widget_manager;
  const heard = new Set(); // the fields that are listened to
  const typed = new Map(); // field to content; what the kernel puts in is no news to it
  const listen = () => {
    for (const id of manager ? model.get("fields") : []) {
      if (heard.has(id)) continue;
      heard.add(id);
      manager.get_model(id).then((field) => {
        field.on("change:value", (_, value, options) => {
          if (options && options.updated_view) typed.set(id, value);
          else typed.delete(id);
        });
      });
    }
  };
  const named = (button) => {
    const name = [...button.classList].find((one) => one.startsWith("dgp-do-"));
    const index = [...button.parentElement.children].indexOf(button);
    return name && { button: name.slice("dgp-do-".length), index };
  };
  const clicked = (event) => {
    const button = event.target instanceof Element ? event.target.closest("button") : null;
    const panel = el.closest(".dgp-panel");
    const press = button && panel && panel.contains(button) && named(button);
    if (!press) return;
    event.preventDefault();
    event.stopImmediatePropagation();
    model.send({ ...press, typed: Object.fromEntries(typed) });
    typed.clear();
  };
  // A field takes the focus; that of another stage is drawn a moment after it was chosen.
  const focus = async (id, tries = 20) => {
    const field = await manager?.get_model(id);
    const views = await Promise.all(Object.values(field?.views || {}));
    const view = views.find((one) => one.el.isConnected && one.el.offsetParent);
    const input = view?.el.querySelector("input, textarea, select, .noUi-handle");
    if (input) input.focus();
    else if (tries) setTimeout(focus, 100, id, tries - 1);
  };
  // A cell for the notebook; where the front end cannot, the kernel shows its text.
  const told = (message) => {
    if (typeof message.focus === "string") focus(message.focus);
    if (typeof message.cell !== "string") return;
    model.send({ inserted: insertCell(manager?.context, message.below, message.cell) });
  };
  const leave = { reach: () => {} };
  const settle = setTimeout(() => { leave.reach = reach(el); }); // it is in the page by then
  model.on("msg:custom", told);
  model.on("change:fields", listen);
  document.addEventListener("click", clicked, true);
  listen();
  return () => {
    document.removeEventListener("click", clicked, true);
    clearTimeout(settle);
    leave.reach();
    model.off("msg:custom", told);
    model.off("change:fields", listen);
  };
}

export default { render };
