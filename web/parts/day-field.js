// A day that is typed digit by digit, or chosen: half of one is none.

import { html, useEffect, useRef, useState } from "../preact.js";
import { TextField } from "./field.js";

const SETTLED_MS = 350; // after the last digit
const YEAR_1000 = "1000-01-01"; // a year of which more is to come is before it

/**
 * `onValue(day)` once the day is whole and nobody types any more, at once when the field is left or with Enter; "" when
 * it was emptied. What is left half typed is as it was.
 */
export function DayField({ value, onValue, ...more }) {
  const [text, setText] = useState(value);
  const timer = useRef(null);
  useEffect(() => {
    setText(value);
    return () => clearTimeout(timer.current);
  }, [value]);
  const give = (day) => {
    clearTimeout(timer.current);
    if (day !== value) onValue(day);
  };
  const type = (day) => {
    setText(day);
    clearTimeout(timer.current);
    if (day >= YEAR_1000) timer.current = setTimeout(() => give(day), SETTLED_MS);
  };
  const settle = ({ target }) => {
    const isHalf = target.validity.badInput;
    if (!isHalf) give(target.value);
    if (isHalf || target.value === "") setText(value);
  };
  const press = (pressed) => pressed.key === "Enter" && settle(pressed);
  return html`<${TextField} ...${more} type="date" value=${text} onValue=${type} onBlur=${settle} onKeyDown=${press} />`;
}
