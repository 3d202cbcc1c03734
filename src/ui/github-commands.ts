/*
 * GitHub's runner takes lines of a step's output as commands: `::name ...::message` at a line's start (blanks
 * aside), and `##[name]message` anywhere in it. Text from outside must not give it orders.
 */

/** `text` in which the runner finds no command. */
export function withoutCommands(text: string): string {
  return text.replace(/^(\s*):(?=:)/gm, '$1: ').replace(/##(?=\[)/g, '## ');
}

/** The command that pins a message to the run's summary page. */
export function annotation(level: 'error' | 'warning', title: string, message: string): string {
  return `::${level} title=${escapeProperty(title)}::${escapeData(message)}`;
}

// As actions/toolkit escapes them (docs of core, "Workflow commands").
function escapeData(text: string): string {
  return text.replace(/%/g, '%25').replace(/\r/g, '%0D').replace(/\n/g, '%0A');
}

function escapeProperty(text: string): string {
  return escapeData(text).replace(/:/g, '%3A').replace(/,/g, '%2C');
}
