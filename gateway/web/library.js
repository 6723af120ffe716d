export async function show(root) { root.append(document.createElement("h1")); return () => {}; }
