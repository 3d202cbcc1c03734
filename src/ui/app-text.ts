import type {
  ReleaseDocument,
  ReleaseListDocument,
  ReleaseRecord,
  StatusDocument,
  Unit,
} from '../deploy/app-documents.js';
import { cleanLine } from '../lib/text.js';

/** `status` for a person: the release that runs, and every machine. */
export function statusLines({ app, target, release, machines, url }: StatusDocument): string[] {
  const running =
    release === undefined ? 'no release' : `v${release.version}${partly(release)}${upOf(release)}`;
  return [
    [`${app} on ${target}: ${running}`, ...(url === undefined ? [] : [cleanLine(url)])].join('   '),
    ...(release === undefined ? [] : [`  image    ${release.image}`]),
    ...(machines.length === 0 ? ['  no machines'] : indented(columns(machines.map(unitRow)))),
  ];
}

/** `release list` for a person, newest first. */
export function releaseLines({ app, releases }: ReleaseListDocument): string[] {
  if (releases.length === 0) return [`${app} has no release`];
  return columns(releases.map(releaseRow));
}

/** `release show` for a person. */
export function releaseDetailLines({ release, machines }: ReleaseDocument): string[] {
  return [
    `v${release.version}  ${release.status}${upOf(release)}`,
    `  id       ${release.id}`,
    `  image    ${release.image}`,
    ...(release.createdAt === undefined ? [] : [`  since    ${release.createdAt}`]),
    ...(machines.length === 0 ? ['  runs on no machine'] : indented(columns(machines.map(unitRow)))),
  ];
}

function partly({ status }: ReleaseRecord): string {
  if (status === 'partial') return ', on some of its machines (a deploy broke off, or is going on)';
  if (status === 'failed') return ', which failed and was not put back';
  return status === 'unproven' ? ', not known to be healthy (yet)' : '';
}

/** Said only where not all are up. */
function upOf({ units, unitsUp = units }: ReleaseRecord): string {
  return unitsUp < units ? `, ${unitsUp} of ${units} up` : '';
}

function releaseRow(release: ReleaseRecord): string[] {
  const { version, status, units, createdAt, image } = release;
  const on = units === 0 ? '' : `${units} ${units === 1 ? 'machine' : 'machines'}${upOf(release)}`;
  return [`v${version}`, status, on, createdAt ?? '', image];
}

function unitRow({ id, state, health, releaseVersion, region, reason }: Unit): string[] {
  const release = releaseVersion === undefined ? 'no release' : `v${releaseVersion}`;
  return [id, state, health === 'none' ? 'no checks' : health, release, region ?? '', reason ?? ''];
}

/** Rows with their cells under each other, two blanks between. */
function columns(rows: readonly (readonly string[])[]): string[] {
  const widths = (rows[0] ?? []).map((_, at) => Math.max(...rows.map((row) => (row[at] ?? '').length)));
  return rows.map((row) =>
    row
      .map((cell, at) => cell.padEnd(widths[at] ?? 0))
      .join('  ')
      .trimEnd(),
  );
}

function indented(lines: readonly string[]): string[] {
  return lines.map((line) => `  ${line}`);
}
