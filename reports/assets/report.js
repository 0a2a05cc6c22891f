// SPDX-License-Identifier: Apache-2.0
// The script of a report's page. It adds to what is there: sorting to tables,
// charts to choose from, a filter to the op table. Text from the capture only
// ever becomes text nodes and attribute values.
(() => {
'use strict';

const SVG = 'http://www.w3.org/2000/svg';
const byId = (id) => document.getElementById(id);

function add(node, attrs, kids) {
  for (const [k, v] of Object.entries(attrs || {})) {
    if (v === undefined || v === false) continue;
    if (k.startsWith('on')) node.addEventListener(k.slice(2), v);
    else node.setAttribute(k, v === true ? '' : v);
  }
  node.append(...kids.filter((x) => x !== null && x !== undefined));
  return node;
}
const h = (tag, attrs, ...kids) => add(document.createElement(tag), attrs, kids);
const s = (tag, attrs, ...kids) => add(document.createElementNS(SVG, tag), attrs, kids);

// ---- numbers -------------------------------------------------------------

const decimal = (base) => ['', 'k', 'M', 'G', 'T', 'P'].map((p, i) => [p + base, 10 ** (3 * i)]);
const TIME = [['ps', 1], ['ns', 1e3], ['µs', 1e6], ['ms', 1e9], ['s', 1e12]];
const BYTES = ['B', 'KiB', 'MiB', 'GiB', 'TiB'].map((u, i) => [u, 1024 ** i]);
const FLOP = decimal('FLOP'), FLOPS = decimal('FLOP/s'), BPS = decimal('B/s');
const COUNT = [['', 1]], SHARE = [['%', 0.01]];

const digitsOf = (v) => Math.floor(Math.log10(v) + 1e-12) + 1;
const grouped = (text) => text.replace(/^(-?\d+)/, (d) => d.replace(/\B(?=(\d{3})+$)/g, ','));

// scale picks the prefix in which the typical value is at least 1, and decimals
// for four digits of it.
function scale(unit, values) {
  const mags = values.map(Math.abs).filter((v) => v > 0 && isFinite(v)).sort((a, b) => a - b);
  let step = unit[0], decimals = 0;
  if (mags.length) {
    const typical = mags[(mags.length - 1) >> 1], most = mags[mags.length - 1];
    for (const u of unit.slice(1)) if (typical >= u[1] || most > 99e3 * step[1]) step = u;
    decimals = Math.max(0, Math.min(4 - digitsOf(typical / step[1]), 6 - digitsOf(most / step[1])));
    if (unit === COUNT || step[1] === 1 && unit !== FLOPS && unit !== BPS) decimals = 0;
    if (unit === SHARE) decimals = most < 0.0995 ? 2 : 1;
  }
  const text = (v) => {
    const t = grouped((v / step[1]).toFixed(decimals));
    return v !== 0 && !/[1-9]/.test(t) ? '<' + (decimals ? '0.' + '0'.repeat(decimals - 1) + '1' : '1') : t;
  };
  return {symbol: step[0], factor: step[1], text, full: (v) => step[0] ? text(v) + ' ' + step[0] : text(v)};
}
const show = (unit, v) => scale(unit, [v]).full(v);
const share = (part, whole) => whole > 0 ? show(SHARE, part / whole) : '–';

// ---- tooltip -------------------------------------------------------------

const tip = byId('tip');
function showTip(text, x, y) {
  tip.textContent = text;
  tip.hidden = false;
  const w = tip.offsetWidth, t = tip.offsetHeight;
  tip.style.left = Math.max(4, Math.min(x + 14, innerWidth - w - 4)) + 'px';
  tip.style.top = (y + 18 + t > innerHeight ? Math.max(4, y - t - 10) : y + 18) + 'px';
}
const hideTip = () => { tip.hidden = true; };
function tipped(node, text) {
  node.addEventListener('pointermove', (e) => showTip(text, e.clientX, e.clientY));
  node.addEventListener('pointerleave', hideTip);
  node.addEventListener('focus', () => {
    if (!node.matches(':focus-visible')) return;
    const r = node.getBoundingClientRect();
    showTip(text, r.left + r.width / 2, r.top + Math.min(r.height, 60));
  });
  node.addEventListener('blur', hideTip);
}
addEventListener('scroll', hideTip, {passive: true});

// Native tooltips of drawings that came with the page become ours.
for (const mark of document.querySelectorAll('figure svg :is(rect,circle)>title')) {
  const node = mark.parentNode, text = mark.textContent;
  mark.remove();
  node.setAttribute('data-tip', text);
  tipped(node, text);
}

// rove makes a list of drawn items one stop of the tab key, with arrow keys to
// move in it. choose is called on click, Enter and Space; keys handles others.
function rove(items, start, choose, keys) {
  if (!items.length) return;
  let at = Math.max(0, start);
  const move = (i) => {
    items[at].setAttribute('tabindex', -1);
    at = Math.max(0, Math.min(items.length - 1, i));
    items[at].setAttribute('tabindex', 0);
    items[at].focus();
  };
  items.forEach((node, i) => {
    node.setAttribute('tabindex', i === at ? 0 : -1);
    node.addEventListener('click', () => { choose(i); });
    node.addEventListener('keydown', (e) => {
      const moves = {ArrowRight: i + 1, ArrowLeft: i - 1, ArrowDown: i + 1, ArrowUp: i - 1, Home: 0, End: items.length - 1};
      const to = keys && keys(e.key, i);
      if (to !== undefined && to !== null) { if (to >= 0) move(to); }
      else if (e.key === 'Enter' || e.key === ' ') choose(i);
      else if (e.key in moves) move(moves[e.key]);
      else return;
      e.preventDefault();
    });
  });
}

// ---- sorting of any table --------------------------------------------------

function sortable(table) {
  const head = table.tHead && table.tHead.rows[table.tHead.rows.length - 1], body = table.tBodies[0];
  if (!head || !body || body.rows.length < 3 || body.querySelector('.heading,.i1,.i2')) return;
  const rows = [...body.rows], fixed = rows.filter((r) => r.classList.contains('total'));
  const free = rows.filter((r) => !fixed.includes(r));
  const value = (row, i) => {
    const cell = row.cells[i], v = cell && cell.dataset.v;
    if (v !== undefined) return Number(v);
    const text = cell ? cell.textContent.trim() : '';
    const n = parseFloat(text.replace(/,/g, ''));
    return text === '' ? null : isNaN(n) ? text : n;
  };
  [...head.cells].forEach((th, i) => {
    if (th.tagName !== 'TH' || th.classList.contains('drawn')) return;
    const button = h('button', {type: 'button'});
    button.append(...th.childNodes);
    th.append(button);
    button.addEventListener('click', () => {
      const was = th.getAttribute('aria-sort');
      const numeric = th.classList.contains('n');
      let next = numeric ? 'descending' : 'ascending';
      if (was) next = was === next ? (numeric ? 'ascending' : 'descending') : '';
      for (const other of head.cells) other.removeAttribute('aria-sort');
      let order = free;
      if (next) {
        th.setAttribute('aria-sort', next);
        order = [...free].sort((a, b) => compare(value(a, i), value(b, i), next === 'descending'));
      }
      body.append(...order, ...fixed);
    });
  });
}
// compare puts what is empty last, whichever way.
function compare(a, b, down) {
  if (a === null || b === null) return (a === null) - (b === null);
  const c = typeof a === 'number' && typeof b === 'number' ? a - b : String(a).localeCompare(String(b), 'en', {numeric: true});
  return down ? -c : c;
}
for (const table of document.querySelectorAll('main table')) if (!table.closest('#ops')) sortable(table);

addEventListener('beforeprint', () => { for (const d of document.querySelectorAll('details')) d.open = true; });

const source = byId('data');
if (!source) return;
const D = JSON.parse(source.textContent);
const O = D.ops, names = D.names;
const color = (comp) => Math.min(comp, 9);
const nSteps = D.steps.length;

// ---- the roofline ----------------------------------------------------------

const roof = byId('roof');
if (roof) {
  const svg = roof.querySelector('svg'), points = [...roof.querySelectorAll('circle')];
  svg.setAttribute('role', 'listbox');
  svg.setAttribute('aria-label', 'Ops by intensity and rate. Arrow keys go from op to op, Enter filters the op table.');
  svg.removeAttribute('aria-labelledby');
  for (const p of points) {
    add(p, {role: 'option', 'aria-selected': 'false', 'aria-label': p.dataset.tip, class: p.getAttribute('class') + ' pick'}, []);
  }
  for (const t of svg.querySelectorAll('text,path,rect')) t.setAttribute('aria-hidden', 'true');
  rove(points, 0, (i) => filterOps('op:' + quote(points[i].dataset.key + '*')));
}

// ---- layers and steps ------------------------------------------------------

const view = {layer: -1, step: -1};
// What the chart shows: each layer, the named parts that matter, the rest.
const shownLayers = D.layers.map((l, i) => i).filter((i) => D.layers[i].index >= 0 || D.layers[i].self * 1000 >= D.opTime);
const hiddenParts = D.layers.length - shownLayers.length;
const layersBox = byId('layers');

function ticks(most, n) {
  const raw = most / n, pow = 10 ** Math.floor(Math.log10(raw));
  const step = pow * [1, 2, 5, 10].find((m) => raw <= m * pow * (1 + 1e-9));
  const out = [];
  for (let v = 0; v < most + step; v += step) { out.push(v); if (v >= most) break; }
  return out;
}

// frame draws the value axis of a column chart and returns where values are.
function frame(g, most, left, top, right, bottom, label) {
  const sc = scale(TIME, [most]);
  const at = ticks(most / sc.factor || 1, 4), hi = at[at.length - 1] * sc.factor;
  const dec = Math.max(0, -Math.floor(Math.log10(at[1]) + 1e-9));
  const y = (v) => bottom - Math.max(0, Math.min(v / hi, 1)) * (bottom - top);
  const axis = s('g', {'aria-hidden': 'true'});
  for (const t of at) {
    const py = y(t * sc.factor);
    axis.append(s('path', {class: t ? 'ls-grid' : 'ls-axis', d: `M${left} ${py}H${right}`}),
      s('text', {class: 'ls-dim', x: left - 6, y: py + 4, 'text-anchor': 'end'}, grouped(t.toFixed(dec))));
  }
  axis.append(s('text', {class: 'ls-dim', x: 4, y: top - 12}, label + ', ' + sc.symbol));
  g.append(axis);
  return y;
}

const bar = (pitch) => Math.max(0.7, pitch - Math.min(6, pitch * 0.25));

function layerText(i) {
  const l = D.layers[i];
  if (view.step >= 0) {
    return `${l.key}\n${show(TIME, l.steps[view.step] || 0)} in step ${D.steps[view.step].index}\nmedian ${show(TIME, l.median)}`;
  }
  const parts = [...l.parts].sort((a, b) => b[1] - a[1]).slice(0, 6).map(([c, v]) => `${D.comps[c]} ${show(TIME, v)}`);
  return `${l.key}\n${show(TIME, l.self)}, ${share(l.self, D.opTime)} of op time${l.n ? '\nmedian step ' + show(TIME, l.median) : ''}\n${parts.join(', ')}`;
}

function drawLayers() {
  if (!layersBox) return;
  const width = Math.max(480, layersBox.clientWidth || 1000), left = 58, right = width - 8, top = 34;
  const named = shownLayers.filter((i) => D.layers[i].index < 0);
  const cols = shownLayers.length + (D.rest > 0 && view.step < 0 ? 1 : 0);
  const gap = cols > named.length && (named.length || cols > shownLayers.length) ? 0.5 : 0;
  const parts = cols - shownLayers.length + named.length, layersN = cols - parts;
  const partPitch = Math.max(28, Math.min(130, (right - left) / (cols + gap)));
  const pitch = Math.max(1, Math.min(130, (right - left - partPitch * (parts + gap)) / Math.max(1, layersN)));
  const stride = [1, 2, 4, 5, 8, 10, 16, 20, 32, 50, 64, 100, 200, 500, 1000].find((n) => n * pitch > 22) || 2000;
  const bottom = 270, height = bottom + (named.length || cols > shownLayers.length ? 84 : 40);
  const value = (l) => view.step >= 0 ? l.steps[view.step] || 0 : l.self;
  const most = Math.max(1, view.step < 0 ? D.rest : 0, ...shownLayers.map((i) => Math.max(value(D.layers[i]), view.step >= 0 ? D.layers[i].median : 0)));
  const svg = s('svg', {class: 'ls-chart', viewBox: `0 0 ${width} ${height}`, width, height, role: 'listbox',
    'aria-label': 'Layers. Arrow keys go from layer to layer, Enter chooses one, Escape lets go of it.'});
  const y = frame(svg, most, left, top, right, bottom, view.step >= 0 ? `self time in step ${D.steps[view.step].index}` : 'self time, whole capture');
  const items = [], at = [], over = s('g', {class: 'over', 'aria-hidden': 'true'});
  let x = left;
  const label = (x, text, slanted) => {
    const short = text.length > 16 ? text.slice(0, 9) + '…' + text.slice(-6) : text;
    return slanted ? s('text', {class: 'ls-dim', 'text-anchor': 'end', 'aria-hidden': 'true', transform: `translate(${x + 4} ${bottom + 14}) rotate(-38)`}, short)
      : s('text', {class: 'ls-dim', 'text-anchor': 'middle', 'aria-hidden': 'true', x, y: bottom + 15}, text);
  };
  let wasLayer = true;
  for (const i of shownLayers) {
    const l = D.layers[i];
    if (wasLayer && l.index < 0 && x > left) x += partPitch * gap;
    wasLayer = l.index >= 0;
    const own = wasLayer ? pitch : partPitch, w = bar(own);
    const g = s('g', {class: 'pick', role: 'option', 'aria-selected': view.layer === i ? 'true' : 'false', 'aria-label': layerText(i).replace(/\n/g, ', ')});
    if (view.step >= 0) {
      const py = y(value(l));
      g.append(s('rect', {class: 'ls-c0', x, y: py, width: w, height: bottom - py}));
      if (l.n) g.append(s('path', {class: 'ghost', d: `M${x - 1} ${y(l.median)}h${w + 2}`}));
    } else {
      let sum = 0;
      for (const [c, v] of l.parts) {
        const y0 = y(sum);
        sum += v;
        g.append(s('rect', {class: 'ls-c' + color(c), x, y: y(sum), width: w, height: y0 - y(sum)}));
      }
      if (l.ratio) over.append(s('text', {class: 'mark ls-small', 'text-anchor': 'middle', x: x + w / 2, y: y(sum) - 6}, l.ratio.toFixed(2) + '×'));
    }
    g.append(s('rect', {class: 'focus', x: x - 2, y: top - 4, width: w + 4, height: bottom - top + 5, rx: 3}));
    tipped(g, layerText(i));
    svg.append(g);
    if (l.index < 0 || l.index % stride === 0) svg.append(label(x + w / 2, l.index >= 0 ? String(l.index) : l.key, l.index < 0));
    items.push(g);
    at.push(i);
    x += own;
  }
  if (cols > shownLayers.length) {
    if (wasLayer) x += partPitch * gap;
    const w = bar(partPitch), r = s('rect', {class: 'ls-c9', x, y: y(D.rest), width: w, height: bottom - y(D.rest), 'aria-hidden': 'true'});
    tipped(r, `unattributed\n${show(TIME, D.rest)}, ${share(D.rest, D.opTime)} of op time`);
    svg.append(r, label(x + w / 2, 'unattributed', true));
  }
  svg.append(over);
  const focused = layersBox.contains(document.activeElement) && document.activeElement.closest('svg');
  const current = Math.max(0, at.indexOf(view.layer));
  rove(items, current, (n) => choose({layer: at[n] === view.layer ? -1 : at[n]}), (key) => key === 'Escape' ? (choose({layer: -1}), -1) : null);
  layersBox.replaceChildren(legend(), svg);
  if (focused) items[current].focus();
}

function legend() {
  const list = h('ul', {class: 'legend', 'aria-label': view.step >= 0 ? 'Marks' : 'Components'});
  if (view.step >= 0) {
    list.append(h('li', {}, h('span', {class: 'sw sw0'}), `self time in step ${D.steps[view.step].index}`), h('li', {}, '— median step'),
      h('li', {}, h('button', {type: 'button', id: 'all-steps', onclick: () => choose({step: -1})}, 'show the whole capture')));
    return list;
  }
  D.comps.slice(0, 10).forEach((c, i) => list.append(h('li', {}, h('span', {class: 'sw sw' + color(i)}), i === 9 && D.comps.length > 10 ? `${D.comps.length - 9} more components` : c)));
  if (hiddenParts) list.append(h('li', {class: 'dim'}, `${hiddenParts} ${hiddenParts === 1 ? 'part' : 'parts'} below 0.1 % of op time only in the table`));
  return list;
}

const panel = h('div', {class: 'panel', id: 'panel', 'aria-live': 'polite'});
const stepsBox = h('figure', {id: 'steps'});

function drawPanel() {
  const l = D.layers[view.layer], facts = h('dl', {});
  const fact = (k, v) => facts.append(h('dt', {}, k), h('dd', {}, v));
  if (!l) {
    panel.replaceChildren(h('h3', {}, 'All layers'), facts, h('p', {class: 'hint'}, nSteps > 1 ?
      'Choose a layer above to see inside it, or a step to see the layers in that step.' : 'Choose a layer above to see inside it.'));
    fact('op time', show(TIME, D.opTime));
    if (nSteps) fact('steps', String(nSteps + D.moreSteps));
    if (view.step >= 0) stepFacts(fact);
    return;
  }
  fact('self', `${show(TIME, l.self)}, ${share(l.self, D.opTime)} of op time`);
  if (l.wall && Math.abs(l.wall - l.self) * 100 > l.self) fact('wall share', show(TIME, l.wall));
  if (l.n) fact('a step', show(TIME, l.median) + (l.hi > l.lo ? ` (${show(TIME, l.lo)} to ${show(TIME, l.hi)})` : '') + `, median of ${l.n}`);
  if (l.ratio) fact('outlier', l.ratio.toFixed(2) + '× the median layer');
  if (l.flops > 0) fact('compute', show(FLOPS, l.flops / l.self * 1e12) + (D.peakF ? `, ${share(l.flops / l.self * 1e12, D.peakF)} of peak` : ''));
  if (l.bytes > 0) fact('memory', show(BPS, l.bytes / l.self * 1e12));
  if (l.program) fact('program', l.program);
  if (l.note) fact('note', l.note);
  if (view.step >= 0) stepFacts(fact, l);
  panel.replaceChildren(h('h3', {}, l.key, ' ', h('button', {type: 'button', onclick: () => choose({layer: -1})}, 'all layers')), facts, componentTable(l),
    byId('ops') ? h('button', {type: 'button', onclick: () => { filterOps('layer:' + quote(l.key)); }}, `ops of ${l.key}`) : null);
}
function stepFacts(fact, l) {
  const st = D.steps[view.step];
  if (l) fact(`in step ${st.index}`, show(TIME, l.steps[view.step] || 0));
  else fact(`step ${st.index}`, `${show(TIME, st.dur)} long, op time ${show(TIME, st.op)}`);
  if (st.why || st.out) fact('that step', (st.out ? 'left out of medians: ' : '') + (st.why || 'no reason given'));
}

// componentTable compares a layer's components with those of its peers.
function componentTable(l) {
  const body = h('tbody', {});
  for (const [c, v] of [...l.parts].sort((a, b) => b[1] - a[1]).slice(0, 8)) {
    const peers = D.layers.filter((p) => p.index >= 0 && p.key !== l.key && p.program === l.program).map((p) => (p.parts.find((x) => x[0] === c) || [0, 0])[1]).filter((x) => x > 0).sort((a, b) => a - b);
    const median = peers.length > 1 ? peers[(peers.length - 1) >> 1] : 0;
    const ratio = l.index >= 0 && median ? v / median : 0;
    body.append(h('tr', {}, h('th', {scope: 'row'}, h('span', {class: 'sw sw' + color(c)}), D.comps[c]), h('td', {class: 'n'}, show(TIME, v)),
      h('td', {class: 'n'}, share(v, l.self)), h('td', {class: 'n' + (ratio > 1.25 ? ' worse' : ratio && ratio < 0.8 ? ' better' : '')}, ratio ? ratio.toFixed(2) + '×' : '')));
  }
  return h('table', {}, h('thead', {}, h('tr', {}, h('th', {scope: 'col'}, 'component'), h('th', {scope: 'col', class: 'n'}, 'self'), h('th', {scope: 'col', class: 'n'}, 'share'), h('th', {scope: 'col', class: 'n'}, 'vs peers'))), body);
}

function drawSteps() {
  if (nSteps < 2) return;
  const l = D.layers[view.layer], values = D.steps.map((st, i) => l ? l.steps[i] || 0 : st.op);
  const width = Math.max(360, stepsBox.clientWidth || 640), left = 58, right = width - 8, top = 52, bottom = 206, height = bottom + 36;
  const kept = values.filter((v, i) => !D.steps[i].out);
  const most = Math.max(1, ...(kept.length ? kept : values)) * (kept.length < nSteps ? 1.15 : 1.04);
  const svg = s('svg', {class: 'ls-chart', viewBox: `0 0 ${width} ${height}`, width, height, role: 'listbox',
    'aria-label': `Steps of ${l ? l.key : 'the capture'}. Arrow keys go from step to step, Enter chooses one, Escape lets go of it.`});
  svg.append(s('text', {class: 'ls-title', x: 4, y: 16, 'aria-hidden': 'true'}, l ? `${l.key} in each step` : 'Op time of each step'));
  const y = frame(svg, most, left, top, right, bottom, l ? 'self time' : 'op time');
  const pitch = (right - left) / nSteps, w = bar(pitch);
  if (l && l.hi > l.lo) svg.append(s('rect', {class: 'ls-band', x: left, y: y(l.hi), width: right - left, height: Math.max(1, y(l.lo) - y(l.hi)), 'aria-hidden': 'true'}));
  let lastLabel = -99;
  const items = D.steps.map((st, i) => {
    const x = left + pitch * i, text = `step ${st.index}\n${show(TIME, values[i])}${l ? ' of ' + l.key : ' op time'}, step ${show(TIME, st.dur)}${st.out ? '\nleft out of medians' : ''}${st.why ? '\n' + st.why : ''}`;
    const g = s('g', {class: 'pick', role: 'option', 'aria-selected': view.step === i ? 'true' : 'false', 'aria-label': text.replace(/\n/g, ', ')},
      s('rect', {class: (view.step === i ? 'ls-c1' : 'ls-c0') + (st.out ? ' out' : ''), x, y: y(values[i]), width: w, height: bottom - y(values[i])}));
    if (st.why && !st.out) g.append(s('circle', {class: 'mark', cx: x + w / 2, cy: y(values[i]) - 6, r: 2.5}));
    if (st.out && values[i] > most) svg.append(s('text', {class: 'ls-dim', 'aria-hidden': 'true', 'text-anchor': 'middle', x: x + w / 2, y: top - 2}, '↑'));
    g.append(s('rect', {class: 'focus', x: x - 1, y: top - 4, width: w + 2, height: bottom - top + 5, rx: 2}));
    tipped(g, text);
    svg.append(g);
    const name = String(st.index);
    if (x + w / 2 - lastLabel > 7 * name.length + 6) {
      lastLabel = x + w / 2;
      svg.append(s('text', {class: 'ls-dim', 'text-anchor': 'middle', 'aria-hidden': 'true', x: x + w / 2, y: bottom + 15}, name));
    }
    return g;
  });
  if (l && l.n) svg.append(s('path', {class: 'ls-level', d: `M${left} ${y(l.median)}H${right}`, 'aria-hidden': 'true'}));
  svg.append(s('text', {class: 'ls-dim', x: left, y: bottom + 30, 'aria-hidden': 'true'}, 'step' + (D.moreSteps ? ` (${D.moreSteps} later ones are not in this page)` : '')));
  const focused = stepsBox.contains(document.activeElement);
  const current = Math.max(0, view.step);
  rove(items, current, (i) => choose({step: i === view.step ? -1 : i}), (key) => key === 'Escape' ? (choose({step: -1}), -1) : null);
  stepsBox.replaceChildren(svg);
  if (focused) items[current].focus();
}

function choose(change) {
  Object.assign(view, change);
  hideTip();
  drawLayers();
  drawPanel();
  drawSteps();
  for (const row of document.querySelectorAll('#layer tbody tr')) {
    row.classList.toggle('on', view.layer >= 0 && row.cells[0].textContent.replace(/\d+$/, (d) => row.cells[0].querySelector('sup') ? '' : d) === D.layers[view.layer].key);
  }
}
if (layersBox && D.layers.length) {
  layersBox.after(h('div', {class: 'split'}, panel, stepsBox));
  const plain = byId('steps-plain'); // ours, above, shows the same
  if (plain) plain.remove();
  choose({});
}

// ---- icicle ----------------------------------------------------------------

const icicleBox = byId('icicle');

// starred is a part of a scope path without its layer index.
const starred = (part) => part.replace(/^((?:[a-z]+_)?(?:layers?|blocks?|h)[._[]*)?\d+(\]?)$/i, '$1*$2');

// tree returns a node {name, value, kids} of the scopes, equal layers merged or
// not, or of layers, components and ops.
function tree(kind) {
  const root = {name: 'op time', value: 0, kids: new Map(), path: 'op time'};
  const down = (node, name) => {
    let kid = node.kids.get(name);
    if (!kid) node.kids.set(name, kid = {name, value: 0, kids: new Map(), parent: node, path: node.parent ? node.path + '/' + name : name});
    return kid;
  };
  const put = (parts, v) => {
    let node = root;
    node.value += v;
    for (const p of parts) { node = down(node, p); node.value += v; }
  };
  if (kind === 'layers') {
    O.name.forEach((n, i) => put([names[O.layer[i]], names[O.component[i]] || '(no component)', n], O.self[i]));
  } else {
    for (const sc of D.scopes) {
      let parts = sc.p.map((p) => names[p]);
      if (kind === 'merged') parts = parts.map(starred);
      put(parts, sc.s);
    }
  }
  return root;
}

function drawIcicle(kind, focus) {
  const root = focus || tree(kind);
  const width = Math.max(480, icicleBox.clientWidth || 1000), row = 22, maxDepth = 12;
  const ancestors = [];
  for (let n = root.parent; n; n = n.parent) ancestors.unshift(n);
  let top = root;
  while (top.parent) top = top.parent;
  const items = [], nodes = [], svg = s('svg', {class: 'ls-chart', width, role: 'tree',
    'aria-label': 'Op time by scope. Arrow keys move, Enter opens a part, Escape goes back out.'});
  const over = s('g', {class: 'over', 'aria-hidden': 'true'});
  let deepest = 0;
  const box = (node, x, w, level, col) => {
    deepest = Math.max(deepest, level);
    const tipText = `${node.path}\n${show(TIME, node.value)}, ${share(node.value, top.value)} of ${top.name}${node.parent && node.parent !== top ? `, ${share(node.value, node.parent.value)} of ${node.parent.name}` : ''}`;
    const g = s('g', {class: 'pick', role: 'treeitem', 'aria-level': level + 1, 'aria-selected': node === root ? 'true' : 'false', 'aria-label': tipText.replace(/\n/g, ', ')},
      s('rect', {class: 'ls-c' + col, x, y: level * row, width: Math.max(0.5, w - 0.5), height: row - 1}));
    const room = Math.floor((w - 8) / 6.4);
    if (room >= 3) over.append(s('text', {class: 'ls-on', x: x + 4, y: level * row + 15}, node.name.length > room ? node.name.slice(0, room - 1) + '…' : node.name));
    g.append(s('rect', {class: 'focus', x: x + 0.5, y: level * row + 0.5, width: Math.max(0.5, w - 1.5), height: row - 2}));
    tipped(g, tipText);
    svg.append(g);
    items.push(g);
    nodes.push(node);
  };
  const walk = (node, x, w, level, col) => {
    box(node, x, w, level, col);
    if (level - ancestors.length >= maxDepth) return;
    const kids = [...node.kids.values()].sort((a, b) => b.value - a.value);
    kids.forEach((kid, i) => {
      const kw = node.value ? w * kid.value / node.value : 0;
      let c = col;
      if (kind === 'layers') {
        if (node === top) c = 9;
        else if (node.parent === top) c = color(Math.max(0, D.comps.indexOf(kid.name)));
      } else if (node === root) c = i % 9;
      kid.color = c;
      if (kw >= 1) walk(kid, x, kw, level + 1, c);
      x += kw;
    });
  };
  ancestors.forEach((n, i) => box(n, 0, width, i, n.color === undefined ? 9 : n.color));
  walk(root, 0, width, ancestors.length, root.color === undefined ? 9 : root.color);
  svg.append(over);
  const height = (deepest + 1) * row;
  svg.setAttribute('viewBox', `0 0 ${width} ${height}`);
  svg.setAttribute('height', height);
  const goTo = (node) => {
    drawIcicle(kind, node.parent ? node : null);
    const again = icicleBox.querySelector('[aria-selected=true]');
    if (again) again.focus();
  };
  const find = (node) => nodes.indexOf(node);
  rove(items, ancestors.length, (i) => goTo(nodes[i]), (key, i) => {
    const node = nodes[i];
    const kin = node.parent ? [...node.parent.kids.values()].sort((a, b) => b.value - a.value) : [node];
    switch (key) {
    case 'Escape': goTo(root.parent || root); return -1;
    case 'ArrowUp': return node.parent ? find(node.parent) : i;
    case 'ArrowDown': {
      const kid = [...node.kids.values()].sort((a, b) => b.value - a.value)[0];
      return kid && find(kid) >= 0 ? find(kid) : i;
    }
    case 'ArrowRight': case 'ArrowLeft': {
      const to = find(kin[kin.indexOf(node) + (key === 'ArrowRight' ? 1 : -1)]);
      return to >= 0 ? to : i;
    }
    }
    return null;
  });
  icicleBox.replaceChildren(icicleControls(kind), svg);
}

function icicleControls(kind) {
  const option = (value, text) => h('option', {value, selected: value === kind}, text);
  const select = h('select', {onchange: (e) => { drawIcicle(e.target.value); byId('icicle-kind').focus(); }, id: 'icicle-kind'},
    option('scopes', 'scopes'), option('merged', 'scopes, equal layers merged'), option('layers', 'layers, components, ops'));
  return h('div', {class: 'controls'}, h('label', {for: 'icicle-kind'}, 'Tree of'), select, h('span', {class: 'dim'}, 'click a part to enlarge it'));
}
if (icicleBox && (D.scopes.length || O.name.length)) drawIcicle('scopes');

// ---- op table --------------------------------------------------------------

const opsBox = byId('ops');
const quote = (v) => /[\s"]/.test(v) ? '"' + v.replace(/"/g, '?') + '"' : v;
let filterOps = () => {};

// An entry is a row of the op table: one op, or equal ones of several layers.
function entry(ops) {
  const e = {id: ops[0], ops, count: 0, self: 0, total: 0, flops: 0, bytes: 0, min: Infinity};
  for (const i of ops) {
    for (const k of ['count', 'self', 'total', 'flops', 'bytes']) e[k] += O[k][i];
    e.min = Math.min(e.min, O.min[i]);
  }
  const i = ops[0];
  for (const k of ['layer', 'component', 'category', 'scope', 'program', 'source', 'bound', 'shape']) e[k] = names[O[k][i]];
  e.op = O.name[i];
  if (ops.length > 1) {
    e.op += ` (${grouped(String(ops.length))} ops)`;
    const layers = new Set(ops.map((k) => O.layer[k]));
    if (layers.size > 1) {
      e.layer = `${layers.size} layers`;
      e.scope = e.scope.split('/').map(starred).join('/');
    }
  }
  return e;
}

if (opsBox && O.name.length) {
  const n = O.name.length;
  const per = (what) => (e) => /-(start|done)$/.test(e.category) || !e[what] || !e.total ? null : e[what] / e.total * 1e12;
  const text = (what) => (i) => names[O[what][i]];
  const all = O.name.map((_, i) => entry([i]));
  const columns = [
    {key: 'op', title: 'op', code: true},
    {key: 'layer', title: 'layer', code: true},
    {key: 'self', title: 'self', unit: TIME},
    {key: 'share', title: '% of op time', get: (e) => e.self / D.opTime, unit: SHARE, bare: true, bar: true},
    {key: 'count', title: 'count', unit: COUNT},
    {key: 'mean', title: 'mean', get: (e) => e.count ? e.total / e.count : null, unit: TIME},
    {key: 'compute', title: 'compute', get: per('flops'), unit: FLOPS},
    {key: 'memory', title: 'memory', get: per('bytes'), unit: BPS},
    {key: 'bound', title: 'bound by'},
    {key: 'component', title: 'component'},
    {key: 'category', title: 'category'},
    {key: 'scope', title: 'scope', code: true},
    {key: 'program', title: 'program'},
  ];
  for (const c of columns) c.get = c.get || ((e) => e[c.key]);
  const say = (c) => {
    const distinct = new Set(all.map(c.get));
    return c.key === 'self' || c.key === 'share' || c.key === 'op' || distinct.size > 1 || c.key !== 'program' && ![null, ''].includes([...distinct][0]);
  };
  for (let i = columns.length - 1; i >= 0; i--) if (!say(columns[i])) columns.splice(i, 1);
  const fields = {op: (i) => O.name[i], layer: text('layer'), component: text('component'), category: text('category'), scope: text('scope'), program: text('program'), source: text('source'), bound: text('bound')};
  const hay = O.name.map((name, i) => [name, text('layer')(i), text('component')(i), text('category')(i), text('scope')(i)].join('\n').toLowerCase());
  const state = {ops: [], rows: [], sort: 'self', down: true, limit: 40, open: new Set()};

  // match turns a filter into a test, as the command line's --filter: terms
  // joined by spaces; key:glob, key:/regexp/ or a word found anywhere; "-" negates.
  const match = (expr) => {
    const tests = [];
    const term = /(-?)(?:(\w+):)?(?:\/((?:[^\/\\]|\\.)*)\/|"([^"]*)"|(\S+))(?=\s|$)/g;
    for (const [, not, key, re, quoted, plain] of expr.matchAll(term)) {
      const field = key && fields[key.toLowerCase()];
      if (key && !field) return 'no column ' + key + '; there are ' + Object.keys(fields).join(', ');
      const glob = quoted !== undefined ? quoted : plain;
      let test;
      if (re !== undefined) {
        let r;
        try { r = new RegExp(re); } catch (e) { return 'not a regular expression: ' + re; }
        test = field ? (i) => r.test(field(i)) : (i) => r.test(hay[i]);
      } else if (field) {
        const r = new RegExp('^' + glob.replace(/[\\^$.|+()[\]{}]/g, '\\$&').replace(/\*+/g, '.*').replace(/\?/g, '.') + '$');
        test = (i) => r.test(field(i));
      } else {
        const word = glob.toLowerCase();
        test = (i) => hay[i].includes(word);
      }
      tests.push(not ? (i) => !test(i) : test);
    }
    return (i) => tests.every((t) => t(i));
  };

  const input = h('input', {type: 'search', id: 'op-filter', placeholder: 'dot   layer:layer_3   category:/fusion|conv/   -copy', autocomplete: 'off', spellcheck: 'false', 'aria-describedby': 'op-count'});
  const count = h('span', {id: 'op-count', role: 'status'});
  const head = h('tr', {}), body = h('tbody', {}), more = h('div', {class: 'controls'});
  const table = h('table', {}, h('thead', {}, head), body);

  const row = (e) => {
    const tr = h('tr', {});
    columns.forEach((c, k) => {
      const v = c.get(e);
      if (k === 0) {
        const button = h('button', {type: 'button', class: 'more', 'aria-expanded': String(state.open.has(e.id)), 'aria-label': 'details of ' + v, 'data-op': e.id, onclick: () => {
          if (!state.open.delete(e.id)) state.open.add(e.id);
          fill();
          const again = body.querySelector(`[data-op="${e.id}"]`);
          if (again) again.focus();
        }}, state.open.has(e.id) ? '−' : '+');
        tr.append(h('th', {scope: 'row'}, h('span', {class: 'opname'}, button, h('code', {title: v}, v))));
        return;
      }
      const cell = h('td', {class: c.unit ? 'n' + (c.bar ? ' share' : '') : false});
      if (v !== null && v !== '') {
        const t = c.unit ? c.scale.text(v) : v;
        cell.append(c.code ? h('code', {title: t}, t) : t);
        if (c.bar) cell.style.setProperty('--w', Math.min(100, 100 * v / state.top).toFixed(1) + '%');
      }
      tr.append(cell);
    });
    return tr;
  };
  const details = (e) => {
    const dl = h('dl', {}), i = e.id;
    const put = (k, v) => { if (v) dl.append(h('dt', {}, k), h('dd', {}, h('code', {}, v))); };
    put('op', O.name[i]);
    if (e.ops.length > 1) put('and', e.ops.slice(1, 13).map((k) => O.name[k]).join(', ') + (e.ops.length > 13 ? ', …' : ''));
    put('program', e.program);
    put('scope', e.scope);
    put('shape', e.shape);
    put('source', e.source);
    put('total', show(TIME, e.total) + ', shortest ' + show(TIME, e.min));
    if (e.flops) put('work', show(FLOP, e.flops) + ', ' + show(BYTES, e.bytes) + (e.bytes ? ', ' + (e.flops / e.bytes).toPrecision(3) + ' FLOP/byte' : ''));
    else if (e.bytes) put('work', show(BYTES, e.bytes));
    put('HLO', O.long[i]);
    return h('tr', {class: 'detail'}, h('td', {colspan: columns.length}, dl));
  };

  const fill = () => {
    const rows = [], listed = state.rows.slice(0, state.limit);
    const sumOf = (list) => list.reduce((t, e) => t + e.self, 0);
    for (const c of columns) if (c.unit) c.scale = scale(c.unit, listed.map((e) => c.get(e) || 0));
    heads();
    for (const e of listed) {
      rows.push(row(e));
      if (state.open.has(e.id)) rows.push(details(e));
    }
    const sum = sumOf(state.rows), rest = sum - sumOf(listed), whole = state.ops.length === n;
    const self = columns.findIndex((c) => c.key === 'self');
    const line = (label, v, cls) => rows.push(h('tr', {class: cls}, h('th', {scope: 'row', colspan: self}, label),
      h('td', {class: 'n'}, columns[self].scale.text(v)), h('td', {class: 'n'}, columns[self + 1].scale.text(v / D.opTime)), h('td', {colspan: columns.length - self - 2})));
    if (rest > 0) line(`${grouped(String(state.rows.length - listed.length))} more rows`, rest);
    if (whole && D.opTime > D.listed) line(D.opCount > n ? `${grouped(String(D.opCount - n))} ops that are not in this page` : 'not matched by the filter of the report', D.opTime - D.listed);
    line(whole ? 'op time' : 'ops that match', whole ? D.opTime : sum, 'total');
    body.replaceChildren(...rows);
    more.replaceChildren();
    if (state.rows.length > state.limit) {
      more.append(h('button', {type: 'button', onclick: () => { state.limit += 200; fill(); }}, 'show 200 more'));
    }
  };
  const sort = () => {
    const c = columns.find((x) => x.key === state.sort), value = (e) => c.get(e) === '' ? null : c.get(e);
    state.rows.sort((a, b) => compare(value(a), value(b), state.down) || a.id - b.id);
  };
  const merge = h('input', {type: 'checkbox', id: 'op-merge', checked: O.group.some((g, i) => g !== i)});
  const apply = () => {
    const test = match(input.value.trim());
    if (typeof test === 'string') {
      count.textContent = test;
      input.setAttribute('aria-invalid', 'true');
      return;
    }
    input.removeAttribute('aria-invalid');
    state.ops = O.name.map((_, i) => i).filter(test);
    state.rows = state.ops.map((i) => all[i]);
    if (merge.checked) {
      const groups = new Map();
      for (const i of state.ops) {
        const group = groups.get(O.group[i]);
        if (group) group.push(i); else groups.set(O.group[i], [i]);
      }
      state.rows = [...groups.values()].map((ops) => ops.length > 1 ? entry(ops) : all[ops[0]]);
    }
    state.limit = 40;
    state.top = Math.max(1e-12, ...state.rows.map((e) => e.self / D.opTime));
    const sum = state.rows.reduce((t, e) => t + e.self, 0);
    count.textContent = `${grouped(String(state.ops.length))} of ${grouped(String(D.opCount))} ops, ${share(sum, D.opTime)} of op time`;
    sort();
    fill();
  };
  const heads = () => {
    for (const c of columns) {
      c.th.className = c.unit ? 'n' : '';
      c.symbol.textContent = c.unit && !c.bare && c.scale.symbol ? ' ' + c.scale.symbol : '';
      if (state.sort === c.key) c.th.setAttribute('aria-sort', state.down ? 'descending' : 'ascending');
      else c.th.removeAttribute('aria-sort');
    }
  };
  for (const c of columns) {
    c.symbol = h('span', {class: 'unit'});
    c.th = h('th', {scope: 'col', 'data-key': c.key}, h('button', {type: 'button', onclick: () => {
      state.down = state.sort === c.key ? !state.down : !!c.unit;
      state.sort = c.key;
      sort();
      fill();
    }}, c.title, c.symbol));
    head.append(c.th);
  }
  merge.addEventListener('change', apply);
  input.addEventListener('input', apply);
  input.addEventListener('keydown', (e) => { if (e.key === 'Escape') { input.value = ''; apply(); } });
  opsBox.replaceChildren(
    h('div', {class: 'controls'}, h('label', {for: 'op-filter'}, 'Filter'), input, count),
    h('div', {class: 'controls'}, ...(merge.checked ? [merge, h('label', {for: 'op-merge'}, 'equal ops of several layers in one row')] : []), h('span', {class: 'dim'}, 'keys: / filter, Esc clear')),
    h('div', {class: 'scroll', tabindex: '0', role: 'region', 'aria-label': 'Ops, table'}, table), more);
  apply();
  filterOps = (expr) => {
    input.value = expr;
    apply();
    byId('op').scrollIntoView();
    input.focus({preventScroll: true});
  };
  document.addEventListener('keydown', (e) => {
    if (e.key === '/' && !e.ctrlKey && !e.metaKey && !e.altKey && !/^(INPUT|SELECT|TEXTAREA)$/.test(document.activeElement.tagName)) {
      e.preventDefault();
      input.scrollIntoView({block: 'center'});
      input.focus({preventScroll: true});
    }
  });
}

// ---- size ------------------------------------------------------------------

let width = innerWidth, pending = 0;
addEventListener('resize', () => {
  cancelAnimationFrame(pending);
  pending = requestAnimationFrame(() => {
    if (innerWidth === width) return;
    width = innerWidth;
    drawLayers();
    drawSteps();
    if (icicleBox && byId('icicle-kind')) drawIcicle(byId('icicle-kind').value);
  });
});
})();
