/** C0 and C1 control characters and DEL: what a terminal takes for an order. */
// oxlint-disable-next-line no-control-regex
const CONTROL = /[\u0000-\u001f\u007f-\u009f]/g
/** The same but for tabs and the ends of lines. */
// oxlint-disable-next-line no-control-regex
const CONTROL_WITHIN_LINES = /[\u0000-\u0008\u000b-\u001f\u007f-\u009f]/g

const escaped = (character: string): string =>
  `\\x${character.charCodeAt(0).toString(16).padStart(2, '0')}`

/** A stored name or value as one line that a terminal can be given: control characters as "\x1b". */
export function printable(text: string): string {
  return text.replace(CONTROL, escaped)
}

/** The same of a text of several lines. */
export function printableLines(text: string): string {
  return text.replace(CONTROL_WITHIN_LINES, escaped)
}
