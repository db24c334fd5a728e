// The YAML editor as a Streamlit component: one editor or comparison for each element it is mounted in.
//
// Python sends { text, label, readOnly, diagnostics, schema, base, height }; the editor sends `text` back after a pause
// in typing and at once when it loses the focus, so that a button pressed after typing sees what was typed. The editor
// owns the text while somebody types: what Python sends replaces it only when Python itself has changed its mind.

import { createEditor } from "./editor.js"
import { createComparison } from "./comparison.js"

const PAUSE_MS = 350
const mounted = new WeakMap()

export function render({ data, parentElement, setStateValue }) {
  const root = parentElement.querySelector("[data-editor]")
  if (!root) return
  let instance = mounted.get(parentElement)
  const shape = data.base === null ? "editor" : "comparison"
  if (instance && instance.shape !== shape) {
    unmount(parentElement)
    instance = undefined
  }
  if (!instance) {
    instance = mount(root, data, shape, setStateValue)
    mounted.set(parentElement, instance)
  }
  instance.setStateValue = setStateValue
  if (data.text !== instance.received) {
    instance.received = data.text
    if (data.text !== instance.sent) {
      // Python knows it: sent back, it would start another run, which closes what a click has opened meanwhile.
      instance.sent = data.text
      instance.view.replace(data.text)
    }
  }
  instance.view.update(data)
}

export function unmount(parentElement) {
  const instance = mounted.get(parentElement)
  if (!instance) return
  clearTimeout(instance.timer)
  instance.view.destroy()
  mounted.delete(parentElement)
}

function mount(root, data, shape, setStateValue) {
  const instance = { shape, received: data.text, sent: data.text, setStateValue, timer: 0 }
  const send = () => {
    clearTimeout(instance.timer)
    const text = instance.view.text()
    if (text === instance.sent) return
    instance.sent = text
    instance.setStateValue("text", text)
  }
  const changed = () => {
    clearTimeout(instance.timer)
    instance.timer = setTimeout(send, PAUSE_MS)
  }
  const create = shape === "editor" ? createEditor : createComparison
  instance.view = create(root, data, { changed, left: send })
  return instance
}
