/// `y[…, m, n] = Σₖ a[…, m, k] · b[…, k, n]`, each operand read transposed where its flag says so.
public struct MatrixMultiplication: TensorOperation {
  public static let name = "matmul"
  public static let law =
    "y[…,m,n] = Σₖ a[…,m,k]·b[…,k,n]; operands: a, b; a flag reads its operand with the last two axes exchanged; the "
    + "axes before these are the same of a and b: no batch is repeated"
  public static let specialValues = SpecialValueLaw(
    .sums, nan: "every product counts, 0·NaN too: no term is left out because a factor is 0")
  public var transposeA: Bool
  public var transposeB: Bool

  public init(transposeA: Bool = false, transposeB: Bool = false) {
    self.transposeA = transposeA
    self.transposeB = transposeB
  }

  private typealias Size = (batch: [Int], m: Int, n: Int, k: Int)
  private static let flags = [(false, false), (true, false), (false, true), (true, true)]

  private static func sample(
    _ size: Size, _ flags: (Bool, Bool), _ domains: [OperationSample.Domain] = [.range(-2, 2)]
  ) -> OperationSample {
    let ((batch, m, n, k), (a, b)) = (size, flags)
    return OperationSample(
      MatrixMultiplication(transposeA: a, transposeB: b),
      [.float32(Shape(batch + (a ? [k, m] : [m, k]))), .float32(Shape(batch + (b ? [n, k] : [k, n])))], domains)
  }

  public static var samples: [OperationSample] {
    let sizes: [Size] = [
      ([], 1, 1, 1), ([], 7, 5, 3), ([], 0, 4, 3), ([], 13, 17, 31), ([2, 3], 3, 2, 5), ([], 2, 3, 0),
    ]
    return flags.flatMap { flags in sizes.map { sample($0, flags) } }
  }

  /// Each extent as rows, as columns and as terms, with operands read as they lie and exchanged in turn.
  public static var furtherSamples: [OperationSample] {
    let alone = (BlockExtents.all + [1000]).enumerated().flatMap { index, extent in
      [([], extent, 9, 5), ([], 9, extent, 5), ([], 5, 9, extent)].enumerated().flatMap { (place, size: Size) in
        [0, 1].map { turn in sample(size, flags[(index + place + 2 * turn) % 4]) }
      }
    }
    // Blocks that meet in a corner, alone and in a batch; one row and one column, with a rest of terms; long sums.
    let together: [Size] = [
      ([], 131, 133, 70), ([3], 70, 131, 67), ([], 1, 70, 65), ([], 1, 131, 1001), ([], 131, 1, 65), ([], 70, 1, 1001),
      ([], 2, 3, 16_385),
    ]
    let batches: [Size] = [
      ([2, 3], 5, 7, 9), ([3], 5, 7, 65), ([2, 2], 9, 5, 257), ([3], 4, 5, 1000), ([257], 3, 4, 5),
      ([2, 257], 2, 1, 3),
    ]
    // Products beyond what half precision holds, above and below.
    let magnitudes: [[OperationSample.Domain]] = [
      [.range(-3e4, 3e4), .range(-300, 300)], [.range(-2e-5, 2e-5), .range(-2e-5, 2e-5)],
    ]
    let further =
      together.flatMap { size in flags.map { sample(size, $0) } }
      + batches.enumerated().flatMap { index, size in [0, 1].map { sample(size, flags[(index + 2 * $0) % 4]) } }
      + magnitudes.flatMap { domains in flags.map { sample(([], 17, 19, 37), $0, domains) } }
    return alone + further.map(\.forNumbers)
  }

  public static func questions(on sample: OperationSample) -> [SampleQuestion] { [] }
  public static let randomProgramPart = RandomProgramPart.drawn { growth throws(ProgramError) in
    guard growth.x.shape.rank == 2 else { return nil }
    let isTurned = growth.next(2) == 0
    let product = MatrixMultiplication(transposeA: isTurned, transposeB: !isTurned)
    return try growth.bounded(growth.builder.append(product, growth.x, growth.x))
  }

  public func outputTypes(for inputs: [TensorType]) throws(ProgramError) -> [TensorType] {
    try expect(inputs, count: 2)
    try expectFloatingPoint(inputs)
    let (a, b) = (inputs[0], inputs[1])
    guard a.elementType == b.elementType, a.shape.rank >= 2, a.shape.rank == b.shape.rank,
      a.shape.extents.dropLast(2) == b.shape.extents.dropLast(2)
    else { throw ProgramError("\(a) and \(b) must have the same rank of at least 2 and the same leading axes") }
    let sizes = sizes(inputs)
    let other = transposeB ? b.shape.extents.last! : b.shape[b.shape.rank - 2]
    guard sizes.k == other else {
      throw ProgramError("the first operand \(a) has \(sizes.k) columns, the second \(b) has \(other) rows")
    }
    return [a.with(shape: Shape(Array(a.shape.extents.dropLast(2)) + [sizes.m, sizes.n]))]
  }

  /// Number of matrices and their extents.
  public func sizes(_ inputs: [TensorType]) -> (batch: Int, m: Int, n: Int, k: Int) {
    let a = Array(inputs[0].shape.extents.suffix(2))
    let b = Array(inputs[1].shape.extents.suffix(2))
    return (
      inputs[0].shape.extents.dropLast(2).reduce(1, *), transposeA ? a[1] : a[0], transposeB ? b[0] : b[1],
      transposeA ? a[0] : a[1]
    )
  }

  public func gradient(of call: GradientContext, in builder: inout ProgramBuilder) throws(ProgramError) -> Gradient {
    let (a, b, dy) = (call.inputs[0], call.inputs[1], call.upstream[0]!)
    func product(
      _ x: Value, _ transposeX: Bool, _ y: Value, _ transposeY: Bool, _ builder: inout ProgramBuilder
    ) throws(ProgramError) -> Value {
      try builder.append(MatrixMultiplication(transposeA: transposeX, transposeB: transposeY), x, y)
    }
    var da: Value?
    var db: Value?
    if call.isNeeded[0] {
      da =
        transposeA
        ? try product(b, transposeB, dy, true, &builder) : try product(dy, false, b, !transposeB, &builder)
    }
    if call.isNeeded[1] {
      db =
        transposeB
        ? try product(dy, true, a, transposeA, &builder) : try product(a, !transposeA, dy, false, &builder)
    }
    return .flows([da, db])
  }

  public func cost(for inputs: [TensorType]) -> Cost {
    let (batch, m, n, k) = sizes(inputs)
    let elements = batch * (m * k + k * n + m * n)
    return Cost(flops: 2 * Cost.product([batch, m, n, k]), bytes: elements * inputs[0].elementType.byteCount)
  }

  public func errorBound(for inputs: [TensorType]) -> ErrorBound { .accumulation(terms: sizes(inputs).k) }
}
