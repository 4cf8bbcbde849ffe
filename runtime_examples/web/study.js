// The paper's user study (4.5), between any two students: the same sound, an order that nobody knows, 1 to 10 for each.

const KEPT = 'tinyface-ratings';

export class Study {
  constructor() {
    this.ratings = JSON.parse(localStorage.getItem(KEPT) || '[]');
    this.shuffle();
  }

  shuffle(random = Math.random) {
    this.swapped = random() < 0.5;
  }

  // Which student stands behind `A` or `B`.
  behind(letter, one, other) {
    return (letter === 'A') !== this.swapped ? one : other;
  }

  keep(clip, one, other, rateA, rateB) {
    this.ratings.push({
      clip, when: new Date().toISOString(), A: this.behind('A', one, other), B: this.behind('B', one, other),
      ratings: { [this.behind('A', one, other)]: rateA, [this.behind('B', one, other)]: rateB },
    });
    localStorage.setItem(KEPT, JSON.stringify(this.ratings));
    this.shuffle();
  }

  toJson() {
    const scores = {};
    for (const { ratings } of this.ratings) {
      for (const [student, rating] of Object.entries(ratings)) (scores[student] = scores[student] || []).push(rating);
    }
    const means = Object.fromEntries(Object.entries(scores).map(([name, all]) =>
      [name, all.reduce((a, b) => a + b, 0) / all.length]));
    return JSON.stringify({ question: 'lip-sync, 1 to 10', means, ratings: this.ratings }, null, 2);
  }

  save() {
    const link = document.createElement('a');
    link.href = URL.createObjectURL(new Blob([this.toJson()], { type: 'application/json' }));
    link.download = 'tinyface-ratings.json';
    link.click();
    setTimeout(() => URL.revokeObjectURL(link.href), 1000);
  }
}
