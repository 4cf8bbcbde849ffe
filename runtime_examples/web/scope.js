// The last four seconds as lines: sound below, a few curves above, phones where they are known.

const SPAN_S = 4;
const CURVES = { jawOpen: '#ffb454', mouthClose: '#7fd1ae', mouthPucker: '#8fa7ff', mouthSmileLeft: '#e58fb1' };
const SHUT = 'pbm';

export class Scope {
  constructor(canvas) {
    this.canvas = canvas;
    this.rows = [];
  }

  // time: of the sound that is heard; get: a channel's value by name; level: of the sound, 0..1; phone: or ''.
  add(time, get, level, phone) {
    this.rows.push({ time, level, phone, values: Object.keys(CURVES).map((name) => get(name) || 0) });
    while (this.rows.length && this.rows[0].time < time - SPAN_S) this.rows.shift();
  }

  clear() {
    this.rows.length = 0;
  }

  draw() {
    const { canvas, rows } = this, ratio = Math.min(window.devicePixelRatio || 1, 2);
    const width = canvas.clientWidth, height = canvas.clientHeight;
    if (canvas.width !== Math.round(width * ratio)) canvas.width = Math.round(width * ratio);
    if (canvas.height !== Math.round(height * ratio)) canvas.height = Math.round(height * ratio);
    const pen = canvas.getContext('2d');
    pen.setTransform(ratio, 0, 0, ratio, 0, 0);
    pen.clearRect(0, 0, width, height);
    const end = rows.length ? rows[rows.length - 1].time : 0;
    const x = (time) => width - ((end - time) / SPAN_S) * width;
    const floor = height - 46;
    pen.font = '11px system-ui, sans-serif';
    this.phones(pen, x, height);
    pen.fillStyle = '#3d4354';
    for (const { time, level } of rows) pen.fillRect(x(time), height - 24 - level * 20, 2, Math.max(1, level * 40));
    Object.entries(CURVES).forEach(([name, colour], i) => {
      pen.strokeStyle = pen.fillStyle = colour;
      pen.lineWidth = 1.6;
      pen.beginPath();
      rows.forEach(({ time, values }, k) => pen[k ? 'lineTo' : 'moveTo'](x(time), floor - values[i] * (floor - 24)));
      pen.stroke();
      pen.fillText(name, 8 + i * Math.min(96, (width - 16) / 4), 14);
    });
  }

  phones(pen, x, height) {
    let from = 0;
    const { rows } = this;
    for (let i = 1; i <= rows.length; ++i) {
      if (i < rows.length && rows[i].phone === rows[from].phone) continue;
      const { phone, time } = rows[from], until = rows[i - 1].time;
      if (phone && SHUT.includes(phone[0])) {
        pen.fillStyle = 'rgba(127, 209, 174, .18)';
        pen.fillRect(x(time), 20, Math.max(2, x(until) - x(time)), height - 20);
      }
      pen.fillStyle = '#9aa1b2';
      if (phone && x(until) - x(time) > 6) pen.fillText(phone, x(time) + 1, height - 2);
      from = i;
    }
  }
}
