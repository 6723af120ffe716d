/**
 * Before the first paint: the theme and the language that were chosen. No module, so that it runs
 * at once.
 */
document.documentElement.dataset.theme = localStorage.getItem("audiosearch.theme") || "auto";
document.documentElement.lang = localStorage.getItem("audiosearch.language") || "en";
