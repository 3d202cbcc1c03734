/** What is to be seen, line by line, after a terminal has been sent `text`: enough of ECMA-48 for log-update and ora. */
export function screenOf(text: string): string[] {
  const lines: string[] = [''];
  let row = 0;
  let column = 0;
  for (const [token, parameter = '', final = ''] of text.matchAll(/\u001b\[([?\d;]*)([A-Za-z])|[^]/gu)) {
    if (final === 'A') row = Math.max(0, row - Number(parameter || 1));
    else if (final === 'G') column = Number(parameter || 1) - 1;
    else if (final === 'K' && parameter === '2') lines[row] = '';
    else if (final === 'K') lines[row] = (lines[row] ?? '').slice(0, column);
    else if (final === 'J') lines.length = row + 1;
    else if (final !== '' || token === '\u001b') continue;
    else if (token === '\r') column = 0;
    else if (token === '\n') {
      row += 1;
      column = 0;
      lines[row] ??= '';
    } else {
      const line = lines[row] ?? '';
      lines[row] = line.slice(0, column).padEnd(column) + token + line.slice(column + 1);
      column += 1;
    }
  }
  return lines.map((line) => line.trimEnd()).filter((line, index) => line !== '' || index < lines.length - 1);
}
