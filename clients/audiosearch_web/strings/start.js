/** Words of the place where nothing is there yet. */

export const start = {
  en: {
    title: "No library yet",
    more:
      "A library holds the sounds that are searched. Drop a sound to search with, or a folder " +
      "of sounds to search, or see how it works first.",
    examples: "Try with example sounds",
    make: "Make a library",
    drop: "Drop a sound, or a folder of sounds",
    queryTitle: ({ name }) => `Find sounds like ${name}`,
    queryMore: "Which sounds shall it be compared with?",
    queryExamples: "Example sounds",
    queryOwn: "My own sounds",
    queryKept: ({ name }) => `Add your sounds. “Search this library” then looks for ${name}.`,
    library: "Example sounds",
    filling: ({ done, total }) => `Adding example sounds: ${done} of ${total}`,
    another: "another bell",
    api: "Documentation of the API",
    noSound: "There is no sound among these files.",
  },
  zh: {
    title: "还没有库",
    more: "库里存放要检索的声音。把用来检索的声音或要检索的声音目录拖进来，或先看看示例。",
    examples: "用示例声音试试",
    make: "建一个库",
    drop: "拖入一个声音，或声音目录",
    queryTitle: ({ name }) => `寻找与 ${name} 相似的声音`,
    queryMore: "要和哪些声音比较？",
    queryExamples: "示例声音",
    queryOwn: "我自己的声音",
    queryKept: ({ name }) => `请添加声音，然后点“检索这个库”即可寻找与 ${name} 相似的声音。`,
    library: "示例声音",
    filling: ({ done, total }) => `正在添加示例声音：${done} / ${total}`,
    another: "另一口钟",
    api: "API 文档",
    noSound: "这些文件里没有声音。",
  },
};
