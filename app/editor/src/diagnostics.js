// Findings of the validator ({ line, message, severity }) as marks on whole lines, without their indentation.

export function toDiagnostics(state, findings) {
  return findings.map(({ line, message, severity }) => {
    const at = state.doc.line(Math.min(Math.max(line, 1), state.doc.lines))
    const indent = at.text.length - at.text.trimStart().length
    return { from: Math.min(at.from + indent, at.to), to: at.to, severity, message }
  })
}
