// The titles of our examples' groups are read on light and on dark canvases.

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";

import { PAIRS, darkenTitles, luminance, suitGroups } from "../../../web/js/group_colours.js";

const STRIP = 0.4375; // of the colour in the strip below a title, as frontend 1.58 draws it: twice a quarter
const CANVASES = { dark: [[24, 24, 26], [33, 33, 33]], light: [[211, 211, 211], [255, 255, 255]] };
const LEAST = 3; // WCAG 2 for large text: the titles have 24 pixels

const levels = (hex) => [1, 3, 5].map((at) => parseInt(hex.slice(at, at + 2), 16));
const over = (colour, ground) => colour.map((level, index) => level * STRIP + ground[index] * (1 - STRIP));

function contrast(one, other) {
  const [high, low] = [luminance(one), luminance(other)].sort((a, b) => b - a);
  return (high + 0.05) / (low + 0.05);
}

test("each colour is read on its canvas", () => {
  for (const [dark, light] of PAIRS)
    for (const [hex, grounds] of [[dark, CANVASES.dark], [light, CANVASES.light]])
      for (const ground of grounds) {
        const colour = levels(hex);
        assert.ok(contrast(colour, over(colour, ground)) >= LEAST, `${hex} on ${ground}`);
      }
});

test("groups of our colours get those of the canvas, and others stay", () => {
  const groups = () => [{ color: PAIRS[0][0] }, { color: PAIRS[1][1].toUpperCase() }, { color: "#3f789e" }, {}];
  const colours = (isLight) => {
    const workflow = { groups: groups() };
    suitGroups(workflow, isLight);
    return workflow.groups.map(({ color }) => color);
  };
  assert.deepEqual(colours(true), [PAIRS[0][1], PAIRS[1][1], "#3f789e", undefined]);
  assert.deepEqual(colours(false), [PAIRS[0][0], PAIRS[1][0], "#3f789e", undefined]);
  assert.doesNotThrow(() => suitGroups({}, true));
});

test("a title on a light canvas has its group's own dark colour, where the frontend would lighten it", () => {
  const [[dark, light]] = PAIRS;
  const lightened = { _lastTitleBgColor: undefined, _titleTextColor: "rgb(120,140,122)" };
  const groups = [{ color: light, ...lightened }, { color: dark, ...lightened }, { color: "#000", ...lightened }, { color: light }];
  const others = structuredClone(groups.slice(1));
  darkenTitles(groups);
  assert.deepEqual(groups[0], { color: light, _lastTitleBgColor: light, _titleTextColor: light });
  assert.deepEqual(groups.slice(1), others);
});

test("they are the colours of the examples", () => {
  const script = readFileSync(new URL("../../../scripts/examples.py", import.meta.url), "utf-8");
  for (const [dark] of PAIRS) assert.ok(script.includes(`"${dark}"`), dark);
});
