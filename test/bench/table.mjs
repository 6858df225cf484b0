// A row: { what, unit, official, sequence, sandbridge, target, reached, details, samples }. Numbers are medians in `unit`.

const digits = (value) => (Math.abs(value) >= 1000 ? 0 : Math.abs(value) >= 100 ? 1 : 2);
const show = (value) => (value === undefined ? "" : typeof value === "string" ? value : value.toFixed(digits(value)));

const COLUMNS = [
  ["what", (row) => row.what],
  ["unit", (row) => row.unit],
  ["official call", (row) => show(row.official)],
  ["official plugin", (row) => show(row.sequence)],
  ["sandbridge", (row) => show(row.sandbridge)],
  ["target", (row) => row.target],
  ["reached", (row) => (row.reached === undefined ? "" : row.reached ? "yes" : "NO")],
];

export function print({ rows, quick, commit, changed, machine }) {
  const cells = [COLUMNS.map(([title]) => title), ...rows.map((row) => COLUMNS.map(([, cell]) => cell(row)))];
  const widths = COLUMNS.map((_, i) => Math.max(...cells.map((line) => line[i].length)));
  const line = (texts) => `| ${texts.map((text, i) => text.padEnd(widths[i])).join(" | ")} |`;
  console.log(`\n${commit.slice(0, 8)}${changed ? " with changes" : ""}, ${machine.cores} x ${machine.cpu}, load ` +
    `${machine.loadBefore.toFixed(1)} to ${machine.loadAfter.toFixed(1)}${quick ? ", QUICK: not a measurement" : ""}\n`);
  console.log(line(cells[0]));
  console.log(line(widths.map((width) => "-".repeat(width))));
  for (const row of cells.slice(1)) console.log(line(row));
  const details = rows.filter((row) => row.details);
  if (details.length > 0) console.log("");
  for (const row of details) console.log(`- ${row.what}: ${row.details}`);
}
