// Modules that come when they are wanted.

/** What `import(…)` gives; the error's message is ours, where browsers' own speak of modules and addresses. */
export async function fetched(importing) {
  try {
    return await importing;
  } catch {
    throw new Error("This part of the page could not be loaded. Is Callroom still running?");
  }
}
