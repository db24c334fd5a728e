// Completion of keys and of closed values from the JSON schema of the document, by the indentation around the cursor.

const KEY = /^(\s*)((?:- +)*)([\w.$-]*)(:?)/

export function completeFromSchema(readSchema) {
  return (context) => {
    const schema = readSchema()
    if (!schema) return null
    const line = context.state.doc.lineAt(context.pos)
    const before = line.text.slice(0, context.pos - line.from)
    const word = context.matchBefore(/[\w.$-]*/)
    if (!context.explicit && (!word || word.from === word.to)) return null
    const here = nodeAt(schema, context.state.doc, line.number, before)
    if (!here) return null
    const options = here.isValue ? values(schema, here.node) : keys(schema, here)
    return options.length ? { from: word ? word.from : context.pos, options, validFor: /^[\w.$-]*$/ } : null
  }
}

function nodeAt(schema, doc, number, before) {
  const parts = KEY.exec(before)
  const depth = parts[1].length + parts[2].length
  const path = ancestors(doc, number, depth, parts[2].length > 0 ? parts[1].length : depth)
  if (parts[2]) path.push("-")
  const node = walk(schema, path)
  if (!node) return null
  const value = /^\s*(?:- +)*([\w.$-]+):\s+[\w.$-]*$/.exec(before)
  if (value) return { isValue: true, node: walk(schema, [...path, value[1]]) }
  return { isValue: false, node, present: siblings(doc, number, depth) }
}

// The keys that the line stands below, outermost first; "-" for a step into a list.
function ancestors(doc, number, depth, indent) {
  const path = []
  let limit = Math.min(depth, indent === depth ? depth : indent + 1)
  for (let at = number - 1; at >= 1 && limit > 0; at--) {
    const text = doc.line(at).text
    if (!text.trim() || text.trimStart().startsWith("#")) continue
    const [, space, dashes, key, colon] = KEY.exec(text)
    const keyColumn = space.length + dashes.length
    if (dashes && keyColumn === limit && space.length < limit) {
      path.unshift("-")
      limit = space.length + (isListParent(doc, at, space.length) ? 1 : 0)
      continue
    }
    if (keyColumn < limit && key && colon) {
      path.unshift(key)
      limit = keyColumn
      if (dashes) {
        path.unshift("-")
        limit = space.length + (isListParent(doc, at, space.length) ? 1 : 0)
      }
    }
  }
  return path
}

// A list may stand at the same column as the key it belongs to.
function isListParent(doc, number, column) {
  for (let at = number - 1; at >= 1; at--) {
    const text = doc.line(at).text
    if (!text.trim()) continue
    const [, space, dashes, key, colon] = KEY.exec(text)
    if (space.length > column || (space.length === column && dashes)) continue
    return space.length === column && Boolean(key && colon)
  }
  return false
}

function siblings(doc, number, depth) {
  const found = new Set()
  const look = (at) => {
    const text = doc.line(at).text
    if (!text.trim()) return true
    const [, space, dashes, key, colon] = KEY.exec(text)
    const column = space.length + dashes.length
    if (column < depth) return false
    if (column === depth && key && colon) found.add(key)
    return !(dashes && column === depth)
  }
  for (let at = number - 1; at >= 1 && look(at); at--);
  for (let at = number + 1; at <= doc.lines; at++) {
    const [, space, dashes] = KEY.exec(doc.line(at).text)
    if (dashes && space.length + dashes.length === depth) break
    if (!look(at)) break
  }
  return found
}

function resolve(schema, node) {
  const steps = new Set()
  while (node && node.$ref && !steps.has(node.$ref)) {
    steps.add(node.$ref)
    node = node.$ref
      .replace(/^#\//, "")
      .split("/")
      .reduce((at, step) => at?.[step.replace(/~1/g, "/").replace(/~0/g, "~")], schema)
  }
  return node
}

function variants(schema, node) {
  const found = resolve(schema, node)
  if (!found) return []
  const inner = [...(found.anyOf ?? []), ...(found.oneOf ?? []), ...(found.allOf ?? [])]
  return [found, ...inner.flatMap((one) => variants(schema, one))]
}

function walk(schema, path) {
  let nodes = [schema]
  for (const step of path) {
    nodes = nodes.flatMap((node) =>
      variants(schema, node).flatMap((one) => {
        if (step === "-") return one.items ? [one.items] : []
        if (one.properties?.[step]) return [one.properties[step]]
        return typeof one.additionalProperties === "object" ? [one.additionalProperties] : []
      }),
    )
    if (!nodes.length) return null
  }
  return nodes.length === 1 ? nodes[0] : { anyOf: nodes }
}

function keys(schema, { node, present }) {
  const found = new Map()
  for (const one of variants(schema, node)) {
    for (const [key, property] of Object.entries(one.properties ?? {})) {
      if (present.has(key) || found.has(key)) continue
      const type = resolve(schema, property)
      const isBlock = variants(schema, type).some((each) => each.properties || each.items || each.additionalProperties)
      found.set(key, {
        label: key,
        apply: isBlock ? `${key}:` : `${key}: `,
        detail: one.required?.includes(key) ? "required" : "",
        info: property.description ?? type?.description,
        boost: one.required?.includes(key) ? 1 : 0,
      })
    }
  }
  return [...found.values()]
}

function values(schema, node) {
  if (!node) return []
  const found = variants(schema, node).flatMap((one) => [
    ...(one.enum ?? []),
    ...("const" in one ? [one.const] : []),
    ...(one.type === "boolean" ? [true, false] : []),
  ])
  return [...new Set(found)].map((value) => ({ label: String(value) }))
}
