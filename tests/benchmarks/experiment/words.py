"""The phrases of the report in Chinese, for README_cn.md."""

CHINESE = {
    # The machine.
    "{cores} cores of {processor}, {memory} GiB, {system}; {rows} vectors and clips on {stores}.": (
        "{processor} 的 {cores} 个核，内存 {memory} GiB，{system}；{rows} 个向量和片段，存储为{stores}。"
    ),
    "servers": " Milvus 和 MariaDB 服务器",
    "embedded": " Milvus Lite 和 SQLite",
    # Titles.
    "Search": "检索",
    "Embedding": "向量提取",
    "End to end": "端到端",
    "Ingest": "入库",
    "Growth": "增长",
    "Planning": "规划",
    # Search.
    "recall@10": "recall@10",
    "p50": "p50",
    "p99": "p99",
    "one caller, a second": "一个调用者，次/秒",
    "{callers} callers, a second": "{callers} 个调用者，次/秒",
    "100 queries a call, a second": "每次调用 100 个查询，个/秒",
    "the earlier demo, as published": "早先的演示，按其公布的数字",
    "The index service adds {added} ms to the call to Milvus that it makes ({ours} against {bare} ms, "
    "in turn).": (
        "index 服务在它对 Milvus 的调用之上增加 {added} 毫秒（{ours} 对 {bare} 毫秒，轮流测量）。"
    ),
    # Embedding.
    ", {clips} at once": "，{clips} 个一起",
    "from a WAV file to its vector": "从 WAV 文件到向量",
    # End to end.
    "wire": "传输",
    "decode": "解码",
    "features": "特征",
    "backbone": "骨干网络",
    "index": "index",
    "catalog": "catalog",
    "all but the backbone": "骨干网络以外的一切",
    "one client, p50 / p99": "一个客户端，p50 / p99",
    "{callers} clients, p50 / p99": "{callers} 个客户端，p50 / p99",
    "{callers} clients, searches a second": "{callers} 个客户端，每秒检索次数",
    "a clip of {seconds} s, p50": "{seconds} 秒的片段，p50",
    "The earlier demo, rebuilt, in turn with ours: {whole} (VectorExecutor {embedding}, Milvus "
    "{milvus}, MySQL {mysql}, or {slow} without an index on its ids as it has it) against {ours}: "
    "{share} of its time.": (
        "重建的早先演示，与我们轮流测量：{whole}（VectorExecutor {embedding}，Milvus {milvus}，MySQL {mysql}；"
        "它自己没有给 id 建索引，那样是 {slow}），我们 {ours}：是它的时间的 {share}。"
    ),
    # Ingest.
    "clips a second, from files to searchable": "每秒片段数，从文件到可检索",
    "the encoder alone, on the same files": "同样的文件，只有编码器",
    "share of the encoder's rate": "与编码器速率之比",
    "an upload, p50": "一次上传，p50",
    "from its answer until a search has found it, p50": "从上传的应答到被检索到，p50",
    "found by the first search": "第一次检索就找到",
    "clips of {seconds} s": "{seconds} 秒的片段",
    # Growth.
    "clips in the library": "库中的片段",
    "grows with rows to the": "随行数的幂次",
    "a search in the index, ms": "在 index 中检索一次，毫秒",
    "a look-up of ten clips in the catalog, ms": "在 catalog 中按 id 取十个片段，毫秒",
    "a page of 100 clips of a speaker, ms": "某说话人的一页 100 个片段，毫秒",
    "a search end to end without the backbone, ms": "端到端检索一次，不含骨干网络，毫秒",
    "an upload until it is searchable, ms": "上传一个片段到可检索，毫秒",
    "a clip of an import, ms": "导入一个片段，毫秒",
    "a row into the catalog, us": "写入 catalog 一行，微秒",
    "a vector into the index, us": "写入 index 一个向量，微秒",
    "memory of our four services, MiB": "我们四个服务的内存，MiB",
    "memory of Milvus, MiB": "Milvus 的内存，MiB",
    "the catalog's database, MiB": "catalog 的数据库，MiB",
    # Planning.
    "computed, not measured": "计算得出，未经测量",
    "{clips} clips": "{clips} 个片段",
    "vectors as floats": "浮点向量",
    "HNSW in Milvus' memory, one copy": "Milvus 内存中的 HNSW，一份",
    "query nodes of 64 GiB, two copies": "64 GiB 的 query node，两份",
    "Milvus: shards, and segments of 4 GiB": "Milvus：shard 数，4 GiB 的 segment 数",
    "database": "数据库",
    "audio, WAV of 5 s": "音频，5 秒的 WAV",
    "hours to embed, one machine as this": "提取向量的小时数，一台这样的机器",
    "embedding replicas, and the hours they take": "embedding 副本数，及其所需小时数",
    "a search in one index of all, by its exponent": "在包含一切的一个索引中检索一次，按幂次",
    "a look-up, by its exponent": "按 id 取片段，按幂次",
}
