/// The one place that names files, checksums and mirrors.
extension NamedDataset {
  public static let all = [mnist, fashionMNIST, cifar10, cifar100]

  static let mnist = NamedDataset(
    name: "mnist", classNames: (0...9).map { "\($0)" }, format: .idx,
    files: [
      File(
        "train-images-idx3-ubyte", size: 47_040_016,
        sha256: "ba891046e6505d7aadcbbe25680a0738ad16aec93bde7f9b65e87a2fc25776db"),
      File(
        "train-labels-idx1-ubyte", size: 60_008,
        sha256: "65a50cbbf4e906d70832878ad85ccda5333a97f0f4c3dd2ef09a8a9eef7101c5"),
      File(
        "t10k-images-idx3-ubyte", size: 7_840_016,
        sha256: "0fa7898d509279e482958e8ce81c8e77db3f2f8254e26661ceb7762c4d494ce7"),
      File(
        "t10k-labels-idx1-ubyte", size: 10_008,
        sha256: "ff7bcfd416de33731a308c3f266cc351222c34898ecbeaf847f06e48f7ec33f2"),
    ],
    mirrors: [
      "https://ossci-datasets.s3.amazonaws.com/mnist", "https://storage.googleapis.com/cvdf-datasets/mnist",
    ])

  static let fashionMNIST = NamedDataset(
    name: "fashion-mnist",
    classNames: [
      "T-shirt/top", "Trouser", "Pullover", "Dress", "Coat", "Sandal", "Shirt", "Sneaker", "Bag", "Ankle boot",
    ],
    format: .idx,
    files: [
      File(
        "train-images-idx3-ubyte", size: 47_040_016,
        sha256: "c59f468a2f672dc815687fe0f83887768d799fd8a3f3276145d20f83aa44d888"),
      File(
        "train-labels-idx1-ubyte", size: 60_008,
        sha256: "bad3541b69d912435c50bb6ba87bec294ff4f6a2e1246121d8633921760443d9"),
      File(
        "t10k-images-idx3-ubyte", size: 7_840_016,
        sha256: "5b4141f0afbad91edebe8549f8fcffe087ea10ca49f1dbef5c9a5cd8815ce37b"),
      File(
        "t10k-labels-idx1-ubyte", size: 10_008,
        sha256: "0402a96d92fd2663957122ceb108a494c5af83dab82d92729df917d7dec38c34"),
    ],
    mirrors: ["https://raw.githubusercontent.com/zalandoresearch/fashion-mnist/master/data/fashion"],
    debianFolder: "/usr/share/datasets/fashion-mnist", debianPackage: "dataset-fashion-mnist")

  static let cifar10 = NamedDataset(
    name: "cifar-10",
    classNames: ["airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck"],
    format: .cifar(labelBytes: 1),
    files: (1...5).map { File("data_batch_\($0).bin", size: 30_730_000) } + [File("test_batch.bin", size: 30_730_000)],
    mirrors: ["https://www.cs.toronto.edu/~kriz"],
    archive: Archive(
      "cifar-10-binary.tar.gz", md5: "c32a1d4ab5d03f1284b67883e8d87530", folder: "cifar-10-batches-bin"))

  static let cifar100 = NamedDataset(
    name: "cifar-100",
    classNames: [
      "apple", "aquarium_fish", "baby", "bear", "beaver", "bed", "bee", "beetle", "bicycle", "bottle", "bowl", "boy",
      "bridge", "bus", "butterfly", "camel", "can", "castle", "caterpillar", "cattle", "chair", "chimpanzee", "clock",
      "cloud", "cockroach", "couch", "crab", "crocodile", "cup", "dinosaur", "dolphin", "elephant", "flatfish",
      "forest", "fox", "girl", "hamster", "house", "kangaroo", "keyboard", "lamp", "lawn_mower", "leopard", "lion",
      "lizard", "lobster", "man", "maple_tree", "motorcycle", "mountain", "mouse", "mushroom", "oak_tree", "orange",
      "orchid", "otter", "palm_tree", "pear", "pickup_truck", "pine_tree", "plain", "plate", "poppy", "porcupine",
      "possum", "rabbit", "raccoon", "ray", "road", "rocket", "rose", "sea", "seal", "shark", "shrew", "skunk",
      "skyscraper", "snail", "snake", "spider", "squirrel", "streetcar", "sunflower", "sweet_pepper", "table", "tank",
      "telephone", "television", "tiger", "tractor", "train", "trout", "tulip", "turtle", "wardrobe", "whale",
      "willow_tree", "wolf", "woman", "worm",
    ],
    format: .cifar(labelBytes: 2),
    files: [File("train.bin", size: 153_700_000), File("test.bin", size: 30_740_000)],
    mirrors: ["https://www.cs.toronto.edu/~kriz"],
    archive: Archive("cifar-100-binary.tar.gz", md5: "03b5dce01913d631647c71ecec9e9cb8", folder: "cifar-100-binary"))
}
