import SwitchbackPrograms

/// An implicit matrix product over gathered rows: what dense convolutions and matrix products have in common.
struct GatheredProduct {
  /// The image that is gathered from: [height, width, channels].
  var image: [Int]
  /// The grid of rows: [images, rows, columns].
  var grid: [Int]
  var kernelSize: [Int]
  var strides: [Int]
  var dilations: [Int]
  /// Top and left.
  var padding: [Int]
  /// Filters, or columns of the result.
  var columns: Int

  /// A matrix of `rows` × `terms` times `columns`: images of one pixel.
  init(rows: Int, terms: Int, columns: Int) {
    (image, grid) = ([1, 1, terms], [rows, 1, 1])
    (kernelSize, strides, dilations, padding) = ([1, 1], [1, 1], [1, 1], [0, 0])
    self.columns = columns
  }

  init(_ geometry: ConvolutionGeometry, image: [Int], grid: [Int], kernelSize: [Int], columns: Int) {
    (self.image, self.grid, self.kernelSize, self.columns) = (image, grid, kernelSize, columns)
    (strides, dilations) = (geometry.strides, geometry.dilations)
    padding = [geometry.padding[0], geometry.padding[2]]
  }

  var taps: Int { kernelSize[0] * kernelSize[1] }
  var terms: Int { image[2] }
  var rowCount: Int { grid.reduce(1, *) }
  var geometry: [Argument] {
    var sizes = image
    for more in [Array(grid.dropFirst()), kernelSize, strides, dilations, padding] { sizes += more }
    return sizes.map { .int($0) }
  }
  /// Whether a tap may look outside the image.
  var isPadded: Bool {
    guard padding == [0, 0] else { return true }
    for axis in 0..<2 {
      let last = (grid[axis + 1] - 1) * strides[axis] + (kernelSize[axis] - 1) * dilations[axis]
      if last >= image[axis] { return true }
    }
    return false
  }
}

/// What follows a product before its results are stored.
struct Epilogue {
  /// The value of a bias, one number a column.
  var bias: Int?
  /// The options that make the kernel apply a function, and the function's own number.
  var function: [String] = []
  var alpha = 0.0
  /// Values between that are written beside the result: the product, and its sum with the bias.
  var keptProduct: Int?
  var keptSum: Int?

  var options: [String] {
    (bias == nil ? [] : ["-DBIAS"]) + function + (keptProduct == nil ? [] : ["-DKEEP_PRODUCT"])
      + (keptSum == nil ? [] : ["-DKEEP_SUM"])
  }

  /// The memory of one of its values, as a kernel's argument.
  static func memory(of value: Int?) -> Argument { value.map(Argument.value) ?? .unused }
}

extension MatrixMultiplication: OpenCLOperation {
  func work(_ maker: WorkMaker) -> Work { maker.matrixMultiplication(self) }
}

extension WorkMaker {
  /// y[rows, columns] = Σ gathered rows of `a` · filter `w`, whose element (tap, term, column) lies at these strides.
  func multiplyRows(
    _ product: GatheredProduct, _ a: Argument, _ w: Argument, filterStrides: [Int], into y: Argument,
    isBackward: Bool = false, epilogue: Epilogue = Epilogue()
  ) -> Work {
    let tile = traits.tile(columns: product.columns)
    let blocks = (product.columns + tile.block - 1) / tile.block
    let packed = product.taps * product.terms * blocks * tile.block
    var common = ["-DROWS_KERNEL", tile.options]
    if isBackward { common.append("-DBACKWARD") }
    if isBackward || product.isPadded { common.append("-DPADDED") }
    if product.strides == [1, 1] { common.append("-DUNIT_STRIDE") }
    let pack = Launch(
      KernelName("multiplication", "pack_filter", common),
      [w, .scratch(0), .int(product.taps), .int(product.terms), .int(product.columns)]
        + filterStrides.map(Argument.int) + [.int(packed)], elements: packed)
    let tiles = (product.rowCount + tile.rows - 1) / tile.rows
    let global = tile.isLocal ? [blocks * 16, (product.rowCount + 63) / 64 * 16] : [tiles, blocks]
    let multiply = Launch(
      KernelName(
        "multiplication", "multiply_rows", common + epilogue.options),
      [
        a, .scratch(0), y, Epilogue.memory(of: epilogue.bias), Epilogue.memory(of: epilogue.keptProduct),
        Epilogue.memory(of: epilogue.keptSum), .zeros, .float(epilogue.alpha), .int(product.rowCount),
        .int(product.columns),
      ] + product.geometry, global: global, local: tile.isLocal ? [16, 16] : [tile.group, 1])
    return Work([pack, multiply], scratch: [max(packed, 1) * 4], zeros: product.terms)
  }

  /// w[tap, channel, filter] = Σ over pixels of x · dy.
  func multiplyFilter(_ product: GatheredProduct, _ x: Argument, _ dy: Argument, into w: Argument) -> Work {
    let tile = traits.tile(columns: product.columns)
    let blocks = (product.columns + tile.block - 1) / tile.block
    let (rows, images) = (product.taps * product.terms, product.grid[0])
    let count = rows * product.columns
    let tiles = tile.isLocal ? (rows + 63) / 64 : (rows + tile.rows - 1) / tile.rows
    let slices = sliceCount(product, groups: tiles * blocks, count: count)
    let common = ["-DFILTER_KERNEL", tile.options] + (product.isPadded ? ["-DPADDED"] : [])
    let global = tile.isLocal ? [blocks * 16, tiles * 16, slices] : [tiles, blocks, slices]
    let multiply = Launch(
      KernelName("multiplication", "multiply_filter", common),
      [x, dy, slices == 1 ? w : .scratch(0), .int(images), .int(slices), .int(product.columns)] + product.geometry,
      global: global, local: tile.isLocal ? [16, 16, 1] : [tile.group, 1, 1])
    guard slices > 1 else { return Work([multiply]) }
    let add = Launch(
      KernelName("multiplication", "add_slices", common), [.scratch(0), w, .int(slices), .int(count)], elements: count)
    return Work([multiply, add], scratch: [slices * count * 4])
  }

  /// Slices of the batch whose operands stay in a cache, or that keep a GPU busy; by shapes and device alone.
  private func sliceCount(_ product: GatheredProduct, groups: Int, count: Int) -> Int {
    let images = product.grid[0]
    let bytes = 4 * (product.image.reduce(1, *) + product.grid[1] * product.grid[2] * product.columns)
    let wanted =
      traits.deviceClass == .cpu
      ? images * bytes / (384 << 10) : (8 * traits.computeUnits + groups - 1) / max(groups, 1)
    let most = max(1, (64 << 20) / max(count * 4, 1))
    return min(max(wanted, 1), max(images, 1), most, 64)
  }

  func matrixMultiplication(_ operation: MatrixMultiplication) -> Work {
    matrixMultiplication(operation, into: output, epilogue: Epilogue())
  }

  /// Two matrices as a gathered product, many or both transposed one result a work-item.
  func matrixMultiplication(_ operation: MatrixMultiplication, into y: Argument, epilogue: Epilogue) -> Work {
    let (batch, m, n, k) = operation.sizes(types)
    if shape(0).rank == 2, !operation.transposeA {
      return multiplyRows(
        GatheredProduct(rows: m, terms: k, columns: n), input(0), input(1),
        filterStrides: operation.transposeB ? [0, 1, k] : [0, n, 1], into: y, epilogue: epilogue)
    }
    if shape(0).rank == 2, !operation.transposeB {
      return multiplyFilter(GatheredProduct(rows: k, terms: m, columns: n), input(0), input(1), into: y)
    }
    let count = batch * m * n
    return Work([
      Launch(
        KernelName("multiplication", "multiply_batched", ["-DBATCHED", "-DVECTOR=4", "-DBLOCK=4"]),
        [
          input(0), input(1), y, .int(m), .int(n), .int(k), .int(operation.transposeA ? 1 : k),
          .int(operation.transposeA ? m : 1), .int(operation.transposeB ? 1 : n), .int(operation.transposeB ? k : 1),
          .int(count),
        ], elements: count)
    ])
  }
}
