// The notebook around a widget, where the page is one of JupyterLab's or Notebook's: its cells and their outputs.

const WIDGET = "application/vnd.jupyter.widget-view+json";

// Calls `act` with the place of a cell of whose outputs one is meant, the outputs and the place among them.
function eachOutput(context, meant, act) {
  const cells = context?.model?.cells;
  for (let cell = 0; cells && cell < cells.length; cell++) {
    const outputs = cells.get(cell).outputs;
    for (let place = 0; outputs && place < outputs.length; place++) {
      if (meant(outputs.get(place).data)) act(cell, outputs, place);
    }
  }
}

const showing = (model) => (data) => data[WIDGET]?.model_id === model;

// Puts the lasting output in the widget's place: a page that was reloaded, or opened after the cell had begun, no longer
// knows which output a display id means. Others keep the view as it is.
function settle(context, { lasting: data, model }) {
  eachOutput(context, showing(model), (_, outputs, place) => outputs.set(place, { output_type: "display_data", data, metadata: {} }));
}

// Whether cells can be put into the notebook.
function inserts(context) {
  return Boolean(context?.model?.sharedModel?.insertCell);
}

// Puts a cell below the one that shows a widget; whether it could.
function insertCell(context, model, source) {
  let below = -1;
  eachOutput(context, showing(model), (cell) => (below = cell + 1));
  if (below < 0 || !inserts(context)) return false;
  context.model.sharedModel.insertCell(below, { cell_type: "code", source, metadata: {} });
  return true;
}

// Puts an output below that of a run, whose page has a key; or below a cell of its own, after that of the run. Whether it could.
function placeBelow(context, { key, place: data, cell: source }) {
  let at = -1;
  eachOutput(context, (shown) => String(shown["text/html"] || "").includes(`data-jl="${key}"`), (cell) => (at = cell));
  if (at < 0 || !inserts(context)) return false;
  if (source) context.model.sharedModel.insertCell((at += 1), { cell_type: "code", source, metadata: {} });
  context.model.cells.get(at).outputs.add({ output_type: "display_data", data, metadata: {} });
  return true;
}
