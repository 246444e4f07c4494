// Our examples' groups: their titles have the group's colour, on a ground of the same, so it must suit the theme.

/** @import { SavedWorkflow } from "./types" */

/** @typedef {{ color?: string, _titleTextColor?: string }} Title */

const FIRST_LIGHT = 0.4; // of the canvas's luminance, from black to white
/** The colours in scripts/examples.py, for dark canvases, and what is read as well on light ones. */
export const PAIRS = [["#b0d8b0", "#14521f"], ["#94c8ec", "#0d3f66"], ["#e2b4de", "#5e1d58"]];

/** Give the groups of a workflow that has our colours those for the canvas.
 * @param {SavedWorkflow} workflow
 * @param {boolean} isLight
 */
export function suitGroups({ groups = [] }, isLight) {
  for (const group of groups) {
    const pair = PAIRS.find((colours) => colours.includes(String(group.color).toLowerCase()));
    if (pair) group.color = pair[isLight ? 1 : 0];
  }
}

/** Give the titles of our groups their own dark colour: frontend 1.58 lightens it, as for dark canvases.
 * @param {Title[]} groups
 */
export function darkenTitles(groups) {
  const ours = groups.filter(({ color }) => PAIRS.some(([, light]) => light === color));
  for (const group of ours.filter((one) => "_titleTextColor" in one))
    Object.assign(group, { _lastTitleBgColor: group.color, _titleTextColor: group.color });
}

/** Tell whether the canvas is light, by the colour that it is cleared with. */
export function isLightCanvas() {
  const painted = Object.assign(document.createElement("canvas"), { width: 1, height: 1 }).getContext("2d");
  if (!painted) return false;
  painted.fillStyle = "#222";
  painted.fillStyle = getComputedStyle(document.body).getPropertyValue("--bg-color").trim();
  painted.fillRect(0, 0, 1, 1);
  return luminance(Array.from(painted.getImageData(0, 0, 1, 1).data)) > FIRST_LIGHT;
}

/** Return the relative luminance of a colour, 0 to 1 (WCAG 2).
 * @param {number[]} colour red, green and blue, 0 to 255
 */
export function luminance([red = 0, green = 0, blue = 0]) {
  const linear = (/** @type {number} */ level) => (level / 255 <= 0.04045 ? level / 3294.6 : ((level / 255 + 0.055) / 1.055) ** 2.4);
  return 0.2126 * linear(red) + 0.7152 * linear(green) + 0.0722 * linear(blue);
}
