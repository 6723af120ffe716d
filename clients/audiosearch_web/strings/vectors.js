/** Words of libraries for vectors. */

export const vectors = {
  en: {
    title: "This library holds vectors",
    what: ({ model, dimension }) =>
      `Its clips are vectors of ${dimension} numbers, which the model ${model} made elsewhere. ` +
      "They have names, and no sound to hear. More of them come by the command line or by REST.",
    dimension: "Numbers in a vector",
    card: ({ dimension }) => `vectors of ${dimension} numbers`,
    query: "Clip to search with",
    choose: "Search with one of its clips",
    find: "Name begins with",
    some: "Clips to search with",
    noSuch: "No clip has a name that begins so. Upper and lower case count.",
    noClips: "There is no clip in this library yet.",
    noVoices: "No voices here",
    noVoicesMore: "This library holds vectors that were made elsewhere, and no recordings.",
  },
  zh: {
    title: "这个库存放向量",
    what: ({ model, dimension }) =>
      `它的片段是由模型 ${model} 在别处生成的向量，每个有 ${dimension} 个数。片段只有名称，没有声音。` +
      "可以用命令行或 REST 添加。",
    dimension: "向量维数",
    card: ({ dimension }) => `${dimension} 维向量`,
    query: "用来检索的片段",
    choose: "用其中一个片段检索",
    find: "名称开头",
    some: "可用来检索的片段",
    noSuch: "没有这样的片段。区分大小写。",
    noClips: "这个库里还没有片段。",
    noVoices: "这里没有声音",
    noVoicesMore: "这个库存放在别处生成的向量，没有录音。",
  },
};
