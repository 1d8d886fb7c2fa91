// What is wrong with an input, in the sentences of seesay's Python (seesay/errors.py), and how they
// write numbers.

import { rint } from "./arrays.js";

/** A picture or a recording that cannot be used. Its message says what came and what to do. */
export class InputError extends Error {
  /**
   * @param {string} problem what was expected and what came
   * @param {string} remedy what to do about it
   */
  constructor(problem, remedy = "") {
    super(remedy ? `${problem}. ${remedy}` : problem);
    this.name = "InputError";
  }
}

/** A whole number with commas between thousands. */
export const grouped = (number) => number.toLocaleString("en-US");

/** A number to one decimal; a tie, such as of 10.25, goes to the even one, as in Python. */
export const tenths = (x) => (Number.isInteger(4 * x) ? rint(10 * x) / 10 : x).toFixed(1);

/** A number in six digits, as by Python's "g". */
export function general(x) {
  const [digits, exponent] = x.toExponential(5).split("e");
  const power = Number(exponent);
  if (power >= -4 && power < 6) return String(Number(x.toPrecision(6)));
  const sign = power < 0 ? "-" : "+";
  return `${Number(digits)}e${sign}${String(Math.abs(power)).padStart(2, "0")}`;
}
