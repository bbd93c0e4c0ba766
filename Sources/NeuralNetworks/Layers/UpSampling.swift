import SwitchbackPrograms

/// Every pixel becomes a block of `size` equal ones: x `[N, H, W, C]`, y `[N, H · height, W · width, C]`.
public struct UpSampling2D: UnaryLayer {
  public var size: (height: Int, width: Int)
  public var name: String?
  public var kind: String { "upSampling2d" }

  public init(size: (height: Int, width: Int) = (2, 2), name: String? = nil) { (self.size, self.name) = (size, name) }

  public func callAsFunction(_ input: Value, in context: inout LayerContext) throws(ProgramError) -> Value {
    guard input.shape.rank == 4 else { throw context.mismatch(input, takes: "images [N, H, W, C]") }
    try context.require(size.height > 0 && size.width > 0, "size must be positive")
    let (n, h, w, c) = (input.shape[0], input.shape[1], input.shape[2], input.shape[3])
    let pixels = try context.append(Reshape(shape: [n, h, 1, w, 1, c]), input)
    let blocks = try context.append(Broadcast(shape: [n, h, size.height, w, size.width, c]), pixels)
    return try context.append(Reshape(shape: [n, h * size.height, w * size.width, c]), blocks)
  }
}

extension UpSampling2D: ConfigurableLayer {
  package static let settings = Settings<UpSampling2D>(
    "up_sampling2d", of: UpSampling2D(), help: "Every pixel becomes a block of equal ones",
    keys: [.pair("size", \.size, help: "Rows and columns of a block")])
}
