// The notebook around a widget, where the page is one of JupyterLab's or Notebook's: its cells and their outputs.

const WIDGET = "application/vnd.jupyter.widget-view+json";

// Calls `act` with the cells, the place of the one whose output shows a widget, the outputs and the place among them.
function eachOutput(context, model, act) {
  const cells = context?.model?.cells;
  for (let cell = 0; cells && cell < cells.length; cell++) {
    const outputs = cells.get(cell).outputs;
    for (let place = 0; outputs && place < outputs.length; place++) {
      if (outputs.get(place).data[WIDGET]?.model_id === model) act(cell, outputs, place);
    }
  }
}

// Puts the lasting output in the widget's place: a page that was reloaded, or opened after the cell had begun, no longer
// knows which output a display id means. Others keep the view as it is.
function settle(context, { lasting: data, model }) {
  eachOutput(context, model, (_, outputs, place) => outputs.set(place, { output_type: "display_data", data, metadata: {} }));
}

// Whether cells can be put into the notebook.
function inserts(context) {
  return Boolean(context?.model?.sharedModel?.insertCell);
}

// Puts a cell below the one that shows a widget; whether it could.
function insertCell(context, model, source) {
  let below = -1;
  eachOutput(context, model, (cell) => (below = cell + 1));
  if (below < 0 || !inserts(context)) return false;
  context.model.sharedModel.insertCell(below, { cell_type: "code", source, metadata: {} });
  return true;
}
