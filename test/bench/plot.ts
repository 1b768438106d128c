const width = 1000;
const height = 480;
const margin = { left: 70, right: 430, top: 20, bottom: 50 };
const colors = [
  '#1f77b4',
  '#d62728',
  '#2ca02c',
  '#9467bd',
  '#ff7f0e',
  '#17becf',
  '#8c564b',
  '#e377c2',
  '#7f7f7f',
  '#bcbd22',
  '#000000',
  '#f7b6d2',
];

interface Curve {
  what: string;
  values: ReadonlyMap<number, number>;
}

/** Curves of milliseconds over stored tasks, both on logarithmic scales. */
export function plotSvg(tasksStored: readonly number[], curves: readonly Curve[]): string {
  const times = curves.flatMap(({ values }) => [...values.values()]).filter((value) => value > 0);
  const decades = {
    from: Math.floor(Math.log10(Math.min(0.1, ...times))),
    to: Math.ceil(Math.log10(Math.max(10, ...times))),
  };
  const x = scale([Math.min(...tasksStored), Math.max(...tasksStored)], [margin.left, width - margin.right]);
  const y = scale([10 ** decades.from, 10 ** decades.to], [height - margin.bottom, margin.top]);
  const lines = [
    ...tasksStored.map((tasks) => xTick(x(tasks), tasks)),
    ...Array.from({ length: decades.to - decades.from + 1 }, (_, index) => 10 ** (decades.from + index)).map(
      (ms) => yTick(y(ms), ms),
    ),
    ...curves.map((curve, index) => curveSvg(curve, index, x, y)),
  ];
  return `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${width} ${height}" font-family="sans-serif" font-size="12">
<title>Milliseconds over stored tasks</title>
<rect width="${width}" height="${height}" fill="#fff"/>
${lines.join('\n')}
<text x="${(margin.left + width - margin.right) / 2}" y="${height - 10}" text-anchor="middle">stored tasks</text>
<text x="16" y="${height / 2}" text-anchor="middle" transform="rotate(-90 16 ${height / 2})">milliseconds</text>
</svg>
`;
}

/** Maps values from one range to another by their logarithms. */
function scale([low, high]: [number, number], [start, end]: [number, number]): (value: number) => number {
  const span = Math.log(high) - Math.log(low) || 1;
  return (value) => Math.round(start + ((Math.log(value) - Math.log(low)) / span) * (end - start));
}

function xTick(at: number, tasks: number): string {
  return `<path d="M${at} ${margin.top}V${height - margin.bottom}" stroke="#ddd"/><text x="${at}" y="${height - margin.bottom + 18}" text-anchor="middle">${tasks.toLocaleString('en')}</text>`;
}

function yTick(at: number, ms: number): string {
  const label = ms >= 1 ? ms.toLocaleString('en') : String(ms);
  return `<path d="M${margin.left} ${at}H${width - margin.right}" stroke="#ddd"/><text x="${margin.left - 8}" y="${at + 4}" text-anchor="end">${label}</text>`;
}

function curveSvg(
  { what, values }: Curve,
  index: number,
  x: (tasks: number) => number,
  y: (ms: number) => number,
): string {
  const color = colors[index % colors.length];
  const points = [...values].map(([tasks, ms]) => `${x(tasks)},${y(ms)}`);
  const labelY = margin.top + 14 + index * 20;
  const labelX = width - margin.right + 16;
  return `<polyline points="${points.join(' ')}" fill="none" stroke="${color}" stroke-width="2"/><path d="M${labelX} ${labelY - 4}h18" stroke="${color}" stroke-width="3"/><text x="${labelX + 24}" y="${labelY}">${escaped(what)}</text>`;
}

function escaped(text: string): string {
  return text.replaceAll('&', '&amp;').replaceAll('<', '&lt;');
}
