/// An operation on images `[N, H, W, C]`: its attributes of two and of four numbers go by the image's axes.
public protocol ImageOperation: TensorOperation {}

extension ImageOperation {
  /// By attribute, what its numbers are, in their order: `OPERATIONS.md` prints it.
  package static var places: [String: String] {
    [
      "padding": "[top, bottom, left, right]", "strides": "[rows, columns]", "dilations": "[rows, columns]",
      "poolSize": "[height, width]", "kernelSize": "[height, width]", "inputSize": "[H, W]",
    ]
  }
}
