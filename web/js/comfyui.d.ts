// ComfyUI's own modules, wherever the page finds them.

declare module "*/scripts/app.js" {
  export const app: import("./types").App;
}

declare module "*/scripts/api.js" {
  export const api: import("./types").Api;
}
