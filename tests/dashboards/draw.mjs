// Draws dashboards: every panel's queries asked of a Prometheus, its answers drawn on Grafana's grid by uPlot, which draws Grafana's
// own time series, and the page photographed by a headless Chromium.
//
//   node draw.mjs PROMETHEUS_URL FROM TO OUT FOLDER
//
// Fails where a query does; where one has no series, its panel says "No data", as Grafana's does.

import { execFileSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, readFileSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const [prometheus, from, to, out, folder] = process.argv.slice(2);
const here = dirname(fileURLToPath(import.meta.url));
const STEP = 60;
// Grafana's grid: cells of 30 pixels and gaps of 8.
const CELL = 30;
const GAP = 8;
const WIDTH = 1500;

async function ask(path, parameters) {
  const answer = await fetch(`${prometheus}/api/v1/${path}?${new URLSearchParams(parameters)}`);
  const body = await answer.json();
  if (body.status !== 'success') throw new Error(`${parameters.query}: ${body.error}`);
  return body.data.result;
}

const filled = (expr) => expr.replaceAll('$side', '.*');

function named(target, metric) {
  const name = target.legendFormat.replace(/\{\{\s*(\w+)\s*\}\}/g, (_, label) => metric[label] ?? '');
  return name || Object.entries(metric).map(([label, value]) => `${label}="${value}"`).join(', ');
}

async function answered(panel) {
  const series = [];
  for (const target of panel.targets) {
    const query = filled(target.expr);
    const result = target.range
      ? await ask('query_range', { query, start: from, end: to, step: STEP })
      : await ask('query', { query, time: to });
    for (const { metric, values, value } of result) {
      series.push({ refId: target.refId, name: named(target, metric), metric, values: values ?? [value] });
    }
  }
  return series;
}

async function marks(dashboard) {
  const found = [];
  for (const { target } of dashboard.annotations.list.filter((mark) => mark.target)) {
    const result = await ask('query_range', { query: filled(target.expr), start: from, end: to, step: STEP });
    for (const { metric, values } of result) {
      found.push({ name: metric.alertname, from: values[0][0], to: values.at(-1)[0] });
    }
  }
  return found;
}

// What runs in the page.
function page(dashboard, panels, marked, range, grid) {
  const theme = { green: '#73bf69', red: '#f2495c', orange: '#ff9830', blue: '#5794f2', text: '#ccccdc', transparent: 'transparent' };
  const palette = ['#73bf69', '#f2cc0c', '#8ab8ff', '#ff780a', '#f2495c', '#5794f2', '#b877d9', '#705da0', '#37872d', '#fade2a',
    '#447ebc', '#c15c17', '#890f02', '#0a437c', '#6d1f62', '#584477'];
  const colour = (name) => theme[name] ?? name;
  const trimmed = (number, digits) => String(Number(number.toFixed(digits)));
  const format = (unit, decimals) => (value) => {
    if (value === null || Number.isNaN(value)) return '-';
    const digits = decimals ?? (Math.abs(value) >= 100 ? 0 : 2);
    if (unit === 'percentunit') return `${trimmed(value * 100, decimals ?? 1)}%`;
    if (unit === 's') {
      const size = Math.abs(value);
      if (size > 0 && size < 1) return `${trimmed(value * 1000, size < 0.01 ? 2 : 0)} ms`;
      if (size < 120) return `${trimmed(value, 1)} s`;
      return size < 7200 ? `${trimmed(value / 60, 1)} min` : `${trimmed(value / 3600, 1)} h`;
    }
    const large = [[1e9, ' B'], [1e6, ' Mil'], [1e3, ' K']].find(([size]) => Math.abs(value) >= size && unit !== 'bytes');
    const short = large ? `${trimmed(value / large[0], 2)}${large[1]}` : trimmed(value, digits);
    return unit === 'currencyEUR' ? `€${short}` : short;
  };
  const stepColour = (thresholds, value) => {
    const steps = thresholds.steps.filter((step) => step.value === null || value >= step.value);
    return steps.length ? steps.at(-1).color : 'green';
  };
  const element = (parent, kind, style, text) => {
    const made = document.createElement(kind);
    Object.assign(made.style, style);
    if (text !== undefined) made.textContent = text;
    parent.append(made);
    return made;
  };

  function timeseries(body, panel, series, show) {
    const { defaults } = panel.fieldConfig;
    const times = [];
    for (let time = range[0]; time <= range[1]; time += grid.step) times.push(time);
    const rows = series.map(({ values }) => {
      const known = new Map(values.map(([time, value]) => [time, Number(value)]));
      return times.map((time) => known.get(time) ?? null);
    });
    const legend = Math.min(52, 18 * Math.ceil(series.reduce((sum, one) => sum + one.name.length * 6.2 + 26, 0) / body.clientWidth));
    const { axisSoftMin, axisSoftMax, thresholdsStyle, fillOpacity } = defaults.custom;
    const lines = (u) => {
      if (thresholdsStyle.mode !== 'line') return;
      const { steps } = defaults.thresholds;
      const none = Math.max(0, steps.findIndex((step) => step.color === 'transparent'));
      steps.forEach((step, index) => {
        if (index === 0) return;
        const y = Math.round(u.valToPos(step.value, 'y', true));
        u.ctx.strokeStyle = colour(none >= index ? steps[index - 1].color : step.color);
        u.ctx.globalAlpha = 0.8;
        u.ctx.lineWidth = 2;
        u.ctx.beginPath();
        u.ctx.moveTo(u.bbox.left, y);
        u.ctx.lineTo(u.bbox.left + u.bbox.width, y);
        u.ctx.stroke();
        u.ctx.globalAlpha = 1;
      });
    };
    const regions = (u) => {
      for (const mark of marked) {
        const [left, right] = [mark.from, mark.to].map((time) => u.valToPos(time, 'x', true));
        u.ctx.fillStyle = 'rgba(242, 73, 92, 0.10)';
        u.ctx.fillRect(left, u.bbox.top, right - left, u.bbox.height);
        u.ctx.fillStyle = theme.red;
        u.ctx.fillRect(left, u.bbox.top + u.bbox.height, right - left, 4);
      }
    };
    const bounds = (u, least, most) => {
      const low = Math.min(axisSoftMin ?? Infinity, least ?? 0);
      const high = Math.max(axisSoftMax ?? -Infinity, most ?? 1);
      return uPlot.rangeNum(low, high === low ? low + 1 : high, { min: { pad: 0, soft: low, mode: 1 }, max: { pad: 0.08, soft: high, mode: 1 } });
    };
    const axis = { stroke: theme.text, grid: { stroke: 'rgba(204, 204, 220, 0.09)', width: 1 }, ticks: { show: false }, font: '11px Inter, sans-serif' };
    new uPlot({
      width: body.clientWidth,
      height: body.clientHeight - legend,
      legend: { show: false },
      cursor: { show: false },
      scales: { x: { time: true, range: () => range }, y: { range: bounds } },
      axes: [{ ...axis, size: 24, values: (u, ticks) => ticks.map((time) => new Date(time * 1000).toISOString().slice(11, 16)) },
        { ...axis, size: 62, values: (u, ticks) => ticks.map(show), ...(panel.fieldConfig.defaults.unit === 's' ? { incrs: [0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600] } : {}) }],
      series: [{}, ...series.map((_, index) => ({
        stroke: palette[index % palette.length],
        width: 1.3,
        fill: palette[index % palette.length] + Math.round((fillOpacity / 100) * 255).toString(16).padStart(2, '0'),
        points: { show: false },
        paths: uPlot.paths.stepped({ align: 1 }),
      }))],
      hooks: { draw: [lines, regions] },
    }, [times, ...rows], body);
    const names = element(body, 'div', { height: `${legend}px`, overflow: 'hidden', fontSize: '11px', lineHeight: '17px', padding: '0 6px' });
    series.forEach(({ name }, index) => {
      const entry = element(names, 'span', { marginRight: '12px', display: 'inline-block' });
      element(entry, 'span', { display: 'inline-block', width: '12px', height: '3px', marginRight: '5px', verticalAlign: 'middle', background: palette[index % palette.length] });
      entry.append(name);
    });
  }

  function stat(body, panel, series, show) {
    const { defaults } = panel.fieldConfig;
    const value = Number(series[0].values[0][1]);
    const back = panel.options.colorMode === 'background_solid' ? colour(stepColour(defaults.thresholds, value)) : 'transparent';
    element(body, 'div', { background: back, color: back === 'transparent' ? '#fff' : '#111', height: '100%', display: 'flex', alignItems: 'center',
      justifyContent: 'center', fontSize: `${Math.min(56, body.clientHeight * 0.6)}px`, fontWeight: 600 }, show(value));
  }

  function bargauge(body, panel, series, show) {
    const { defaults, overrides } = panel.fieldConfig;
    const most = defaults.max ?? Math.max(...series.map(({ values }) => Number(values[0][1])), 1e-9);
    const height = Math.min(panel.options.maxVizHeight, body.clientHeight / series.length - 6);
    for (const { refId, name, values } of series) {
      const own = Object.fromEntries(overrides.filter(({ matcher }) => matcher.options === refId).flatMap(({ properties }) => properties.map(({ id, value }) => [id, value])));
      const value = Number(values[0][1]);
      const shown = colour(stepColour(own.thresholds ?? defaults.thresholds, value));
      const row = element(body, 'div', { display: 'flex', alignItems: 'center', height: `${height}px`, margin: '3px 8px', fontSize: `${Math.max(11, Math.min(15, height * 0.5))}px` });
      element(row, 'div', { width: `${Math.max(...series.map((one) => one.name.length)) * 0.56 + 1}em`, overflow: 'hidden', whiteSpace: 'nowrap' }, name);
      const bar = element(row, 'div', { flex: 1, height: '100%', background: 'rgba(204, 204, 220, 0.07)' });
      element(bar, 'div', { width: `${Math.max(0, Math.min(100, (value / (own.max ?? most)) * 100))}%`, height: '100%', background: shown, opacity: 0.75 });
      element(row, 'div', { width: '9ch', textAlign: 'right', color: shown, fontWeight: 600 }, show(value));
    }
  }

  function table(body, panel, series, show) {
    const { rowField, columnField } = panel.transformations[0].options;
    const values = (field) => [...new Set(series.map(({ metric }) => metric[field]))];
    const made = element(body, 'table', { width: '100%', borderCollapse: 'collapse', fontSize: '13px' });
    const head = element(made, 'tr', {});
    element(head, 'th', { textAlign: 'left', padding: '6px 10px', fontWeight: 500 }, `${rowField}\\${columnField}`);
    for (const column of values(columnField)) element(head, 'th', { padding: '6px', fontWeight: 500 }, column);
    for (const row of values(rowField)) {
      const line = element(made, 'tr', {});
      element(line, 'td', { padding: '6px 10px' }, row);
      for (const column of values(columnField)) {
        const found = series.find(({ metric }) => metric[rowField] === row && metric[columnField] === column);
        const value = found && Number(found.values[0][1]);
        const back = found ? colour(stepColour(panel.fieldConfig.defaults.thresholds, value)) : 'transparent';
        element(line, 'td', { textAlign: 'center', padding: '6px', background: back, color: back === 'transparent' ? theme.text : '#111', border: '1px solid #181b1f' }, found ? show(value) : '');
      }
    }
  }

  const draw = { timeseries, stat, bargauge, table };
  const top = element(document.body, 'div', { padding: '10px 16px', fontSize: '18px' }, dashboard.title);
  element(top, 'span', { fontSize: '12px', opacity: 0.6, marginLeft: '14px' }, dashboard.tags.join(' · '));
  const canvas = element(document.body, 'div', { position: 'relative', margin: `0 ${grid.gap}px` });
  const column = (grid.width - grid.gap * 2 + grid.gap) / 24;
  for (const { panel, series } of panels) {
    const { x, y, w, h } = panel.gridPos;
    const box = element(canvas, 'div', { position: 'absolute', left: `${x * column}px`, top: `${y * (grid.cell + grid.gap)}px`, width: `${w * column - grid.gap}px`,
      height: `${h * (grid.cell + grid.gap) - grid.gap}px`, background: '#181b1f', border: '1px solid #25272d', borderRadius: '2px', boxSizing: 'border-box', overflow: 'hidden' });
    element(box, 'div', { padding: '7px 9px 3px', fontSize: '13px', fontWeight: 500, height: '20px', whiteSpace: 'nowrap' }, panel.title);
    const body = element(box, 'div', { position: 'absolute', top: '32px', bottom: '4px', left: '4px', right: '4px', overflow: 'hidden' });
    const { unit, decimals } = panel.fieldConfig.defaults;
    if (series.length === 0) {
      element(body, 'div', { textAlign: 'center', opacity: 0.6, paddingTop: '20px' }, 'No data');
    } else {
      draw[panel.type](body, panel, series, format(unit, decimals));
    }
  }
}

const read = (name) => readFileSync(join(here, 'node_modules/uplot/dist', name), 'utf8');
// A script's end in a text would end the page's own.
const embedded = (value) => JSON.stringify(value).replaceAll('<', '\\u003c');
const files = readdirSync(folder, { recursive: true }).filter((file) => file.endsWith('.json')).sort();
mkdirSync(out, { recursive: true });
const work = mkdtempSync(join(tmpdir(), 'fanlight-pictures-'));
try {
  for (const file of files) {
    const dashboard = JSON.parse(readFileSync(join(folder, file), 'utf8'));
    const panels = [];
    for (const panel of dashboard.panels) panels.push({ panel, series: await answered(panel) });
    const rows = Math.max(...dashboard.panels.map(({ gridPos }) => gridPos.y + gridPos.h));
    const grid = { cell: CELL, gap: GAP, width: WIDTH, step: STEP };
    const given = [{ title: dashboard.title, tags: dashboard.tags }, panels, await marks(dashboard), [Number(from), Number(to)], grid];
    const html = join(work, 'page.html');
    writeFileSync(html, `<!doctype html><meta charset="utf-8"><style>${read('uPlot.min.css')} body{margin:0;background:#111217;color:#ccccdc;font-family:Inter,"DejaVu Sans",sans-serif}</style>
<body><script>${read('uPlot.iife.min.js')}</script><script>(${page})(...${embedded(given)})</script>`);
    const picture = join(out, `${basename(file, '.json')}.png`);
    execFileSync('chromium', ['--headless', '--no-sandbox', '--disable-gpu', '--hide-scrollbars', `--user-data-dir=${join(work, 'profile')}`,
      `--window-size=${WIDTH},${50 + rows * (CELL + GAP)}`, `--screenshot=${picture}`, `file://${html}`], { stdio: 'pipe' });
    const empty = panels.filter(({ series }) => series.length === 0).map(({ panel }) => panel.title);
    console.log(`${picture}${empty.length > 0 ? `: no data in ${empty.join(', ')}` : ''}`);
  }
} finally {
  rmSync(work, { recursive: true, force: true });
}
