/* SPDX-License-Identifier: Apache-2.0 */
/* The stub's ELF image inside husk: what the zygote is executed from. */
	.section .rodata
	.globl stub_image, stub_image_end
	.balign 16
stub_image:
	.incbin STUB_IMAGE
stub_image_end:
	.section .note.GNU-stack, "", @progbits
