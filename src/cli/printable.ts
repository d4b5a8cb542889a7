const CONTROLS = /[\u0000-\u0008\u000b-\u001f\u007f-\u009f]/g;
const LINE_BREAKS = /[\t\n]+/g;
const COLOUR = /^\u001b\[[\d;]*m/;
const CUT_COLOUR = /\u001b(\[[\d;]{0,20})?$/;

/**
 * One line of text that does nothing to a terminal but stand there. A guest chooses the words of its
 * exit message; escape sequences in it could rewrite what the user believes to see.
 */
export function printable(text: string): string {
  return text.replace(LINE_BREAKS, ' ').replace(CONTROLS, caret);
}

/**
 * A console stream for a terminal: text, line ends and colours pass, every other control is shown in
 * caret notation. Keeps back an escape sequence that a chunk has cut.
 */
export function terminalFilter(): (chunk: string) => string {
  let kept = '';
  return (chunk) => {
    const text = kept + chunk;
    kept = CUT_COLOUR.exec(text)?.[0] ?? '';
    const whole = text.slice(0, text.length - kept.length);
    return whole.replace(CONTROLS, (control: string, at: number) => {
      const isColour = control === '\u001b' && COLOUR.test(whole.slice(at, at + 24));
      return control === '\r' || isColour ? control : caret(control);
    });
  };
}

/** `^[` for ESC, as cat -v has it; C1 controls as `M-^x`. */
function caret(control: string): string {
  const code = control.charCodeAt(0);
  if (code === 0x7f) return '^?';
  return code < 0x20 ? `^${String.fromCharCode(code + 0x40)}` : `M-^${String.fromCharCode(code - 0x40)}`;
}
